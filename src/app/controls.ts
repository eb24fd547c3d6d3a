import { css } from 'lit'

/** How buttons, fields and headings look in every part of the page. */
export const controls = css`
  * {
    box-sizing: border-box;
  }

  [hidden] {
    display: none !important;
  }

  h2 {
    margin: 0;
    font-size: 0.8125rem;
    font-weight: 600;
    letter-spacing: 0.06em;
    text-transform: uppercase;
    color: var(--quiet);
  }

  button,
  select,
  input,
  textarea {
    border: 1px solid var(--line);
    border-radius: 0.5rem;
    background: var(--surface);
    color: inherit;
    font: inherit;
  }

  button {
    padding: 0.4rem 0.8rem;
    cursor: pointer;
  }

  select,
  input {
    min-width: 0;
    padding: 0.35rem 0.5rem;
  }

  input[type='range'] {
    padding: 0;
    border: 0;
    background: none;
    accent-color: var(--accent);
  }

  button:hover:not([aria-disabled='true']),
  select:hover:not(:disabled) {
    border-color: var(--quiet);
  }

  button[aria-disabled='true'],
  :disabled {
    cursor: default;
    color: var(--faint);
  }

  button.primary {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--on-accent);
    font-weight: 600;
  }

  button.primary:hover:not([aria-disabled='true']) {
    border-color: var(--text);
  }

  button.primary[aria-disabled='true'] {
    border-color: var(--line);
    background: var(--ground);
    color: var(--faint);
  }

  button.plain {
    border-color: transparent;
    background: none;
  }

  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }

  .quiet {
    color: var(--quiet);
    font-size: 0.875rem;
  }

  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`
