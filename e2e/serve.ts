import { serveSite } from '../cli/site'
import { ports, smallModel } from './sites'

await serveSite(ports.small, { 'models/mini': smallModel })
