import { css } from 'lit'

/** The text as set pages look: one measure wide, numbered like verses; beside a second language, in two columns. */
export const textStyle = css`
  :host {
    display: block;
    overflow: auto;
    padding: 1.5rem 1.5rem 6rem;
  }

  section {
    max-width: 41rem;
    margin: 0 auto;
  }

  header {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    justify-content: space-between;
    gap: 0.5rem 1.5rem;
    margin-bottom: 1.25rem;
  }

  h2 {
    flex: 1 1 14rem;
    min-width: 0;
    font: 600 1.625rem / 1.25 var(--reading);
    letter-spacing: -0.01em;
    text-transform: none;
    text-wrap: balance;
    color: var(--text);
    overflow-wrap: anywhere;
  }

  label {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.4rem;
  }

  ol {
    position: relative;
    min-height: 3rem;
    margin: 0;
    padding: 0;
    list-style: none;
    font: 1.25rem / 1.75 var(--reading);
  }

  .prose li {
    display: inline;
  }

  .parallel li {
    display: grid;
    grid-template-columns: 1.75rem minmax(0, 1fr) minmax(0, 1fr);
    gap: 0 0.75rem;
    align-items: baseline;
    padding: 0.4rem 0;
    border-bottom: 1px solid var(--line);
    font-size: 1.125rem;
    line-height: 1.55;
  }

  .number {
    margin-right: 0.2rem;
    color: var(--accent);
    font: 600 0.6875rem / 1 system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
    vertical-align: 0.45em;
    user-select: none;
  }

  .sentence[data-recalled]::after {
    content: "↩" attr(data-recalled);
    margin-left: 0.2rem;
    color: var(--quiet);
    font: 600 0.6875rem / 1 system-ui, sans-serif;
    vertical-align: 0.45em;
  }

  .save {
    font-size: 0.875rem;
  }

  .parallel .number {
    text-align: right;
    vertical-align: baseline;
  }

  .generated .number {
    color: var(--new);
  }

  .sentence {
    padding: 0.12em 0.1em;
    border-radius: 0.25rem;
    box-decoration-break: clone;
    -webkit-box-decoration-break: clone;
    cursor: pointer;
    overflow-wrap: anywhere;
  }

  .generated .sentence {
    text-decoration: underline dotted color-mix(in srgb, var(--new) 65%, transparent) 1px;
    text-underline-offset: 0.3em;
  }

  .highlighted .sentence,
  .open .sentence {
    background: var(--wash);
  }

  .reading {
    color: var(--quiet);
    overflow-wrap: anywhere;
  }

  sentence-tools {
    position: absolute;
    z-index: 1;
    max-width: 100%;
  }

  .thinking i {
    display: inline-block;
    width: 0.4rem;
    height: 0.4rem;
    margin-left: 0.25rem;
    border-radius: 50%;
    background: var(--new);
  }

  @media (prefers-reduced-motion: no-preference) {
    .newest .sentence {
      animation: born 0.9s ease-out;
    }

    .thinking i {
      animation: think 1.2s ease-in-out infinite;
    }

    .thinking i:nth-child(2) {
      animation-delay: 0.2s;
    }

    .thinking i:nth-child(3) {
      animation-delay: 0.4s;
    }
  }

  @keyframes born {
    from {
      background: var(--wash);
      color: var(--new);
    }
  }

  @keyframes think {
    50% {
      opacity: 0.25;
    }
  }

  @media (max-width: 48rem) {
    :host {
      padding: 1.25rem 1rem 5rem;
    }

    ol {
      font-size: 1.125rem;
    }

    .parallel li {
      grid-template-columns: 1.5rem minmax(0, 1fr);
      font-size: 1.0625rem;
    }

    .parallel .reading {
      grid-column: 2;
    }
  }
`
