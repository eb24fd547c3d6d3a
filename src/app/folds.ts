import { css } from 'lit'

/** How the folds under the text box look: a line that opens, a remark, and rows of fields and buttons. */
export const folds = css`
  summary {
    padding: 0.2rem 0;
    color: var(--quiet);
    cursor: pointer;
  }

  p {
    margin: 0.25rem 0 0.5rem;
  }

  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem 1rem;
    margin-bottom: 0.5rem;
  }

  label {
    display: flex;
    align-items: center;
    gap: 0.4rem;
  }

  input {
    width: 4rem;
  }
`
