import { serveSite } from './site'

const site = await serveSite(Number(process.env.PORT ?? 4173))
console.log(`Noema is at ${site.url} (Ctrl+C ends it).`)
