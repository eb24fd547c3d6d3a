import { NoemaPage } from './noema-page'
import { preferences } from './preferences'
import { showTheme } from './theme'

showTheme(preferences.theme)

/** `?manual` shows no page and loads no model: for scripts that drive the library themselves. */
if (!new URLSearchParams(location.search).has('manual')) document.body.append(new NoemaPage())
