import { css } from 'lit'

/** Follows the page's `color-scheme`; every colour is a custom property that a page can set on the element or above it. */
export const style = css`
  :host {
    --text: var(--noema-text, light-dark(#1f1e1c, #e9e7e2));
    --quiet: var(--noema-quiet, light-dark(#5f5c56, #aba79f));
    --surface: var(--noema-background, light-dark(#fffefb, #1b1d21));
    --line: var(--noema-border, light-dark(#85817a, #7d8088));
    --accent: var(--noema-accent, light-dark(#3446b8, #9aa8ff));
    --on-accent: var(--noema-on-accent, light-dark(#ffffff, #12141f));
    --error: var(--noema-error, light-dark(#9a2b12, #ffb4a0));
    --radius: var(--noema-radius, 0.5rem);
    display: block;
    min-width: 0;
    color: var(--text);
    font-family: var(--noema-font, inherit);
  }

  :host([hidden]) {
    display: none;
  }

  .box {
    display: grid;
    gap: 0.5rem;
    padding: 0.75rem;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }

  textarea {
    box-sizing: border-box;
    width: 100%;
    min-height: var(--noema-min-height, 7rem);
    max-height: var(--noema-max-height, 60dvh);
    padding: 0.5rem;
    resize: vertical;
    field-sizing: content;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) * 0.75);
    background: var(--surface);
    color: inherit;
    font: inherit;
    line-height: 1.5;
  }

  textarea::placeholder {
    color: var(--quiet);
    opacity: 1;
  }

  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem;
  }

  button {
    padding: 0.45rem 0.9rem;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) * 0.75);
    background: var(--surface);
    color: inherit;
    font: inherit;
    cursor: pointer;
  }

  .continue {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--on-accent);
    font-weight: 600;
  }

  button:disabled,
  button[aria-disabled='true'] {
    border-color: var(--line);
    background: var(--surface);
    color: var(--quiet);
    cursor: default;
  }

  textarea:disabled {
    color: var(--quiet);
  }

  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }

  p {
    flex: 1 1 12rem;
    min-width: 0;
    margin: 0;
    color: var(--quiet);
    font-size: 0.875em;
    overflow-wrap: anywhere;
  }

  .error {
    color: var(--error);
  }

  p:empty {
    display: none;
  }

  progress {
    width: 100%;
    height: 0.5rem;
    accent-color: var(--accent);
  }

  [role='log'] {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  @media (prefers-reduced-motion: no-preference) {
    .writing textarea {
      animation: write 2s ease-in-out infinite;
    }
  }

  @keyframes write {
    50% {
      border-color: var(--accent);
    }
  }
`
