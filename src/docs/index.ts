import { preferences } from '../app/preferences'
import { showTheme } from '../app/theme'

showTheme(preferences.theme)
