import { buildPackage } from './package'

await buildPackage()
