import * as Comlink from 'comlink'
import { Engine } from './engine'
import { keepTypedErrors } from './transfer'

keepTypedErrors()
Comlink.expose(new Engine())
