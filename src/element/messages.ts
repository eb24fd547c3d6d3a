/** What the element says, in English. The other languages have the same keys. */
const english = {
  label: 'Your text',
  placeholder: 'Write two or three simple sentences.',
  continue: 'Continue',
  stop: 'Stop',
  required: 'Write a text first.',
  loading: 'Loading the model',
  starting: 'Starting…',
  download: (percent: string) => `Downloading the model: ${percent}. It is kept for the next visit.`,
  verify: (percent: string) => `Checking the model: ${percent}.`,
  compile: (percent: string) => `Preparing the model: ${percent}.`,
  writing: (number: number, total: number) => `Writing sentence ${number} of ${total}…`,
  stopped: 'Stopped.',
  'end-of-text': 'The model has ended its text.',
  repetition: 'The model began to repeat itself and was stopped.',
  'context-full': 'The text is as long as this model can hold.',
  length: '',
  wrong: 'That did not work.',
}

export type Messages = typeof english

const french: Messages = {
  label: 'Votre texte',
  placeholder: 'Écrivez deux ou trois phrases simples.',
  continue: 'Continuer',
  stop: 'Arrêter',
  required: 'Écrivez d’abord un texte.',
  loading: 'Chargement du modèle',
  starting: 'Démarrage…',
  download: (percent) => `Téléchargement du modèle : ${percent}. Il est gardé pour la prochaine visite.`,
  verify: (percent) => `Vérification du modèle : ${percent}.`,
  compile: (percent) => `Préparation du modèle : ${percent}.`,
  writing: (number, total) => `Écrit la phrase ${number} sur ${total}…`,
  stopped: 'Arrêté.',
  'end-of-text': 'Le modèle a terminé son texte.',
  repetition: 'Le modèle commençait à se répéter et a été arrêté.',
  'context-full': 'Le texte est aussi long que ce modèle peut le contenir.',
  length: '',
  wrong: 'Cela n’a pas fonctionné.',
}

const german: Messages = {
  label: 'Ihr Text',
  placeholder: 'Schreiben Sie zwei, drei einfache Sätze.',
  continue: 'Fortsetzen',
  stop: 'Anhalten',
  required: 'Schreiben Sie zuerst einen Text.',
  loading: 'Modell wird geladen',
  starting: 'Startet…',
  download: (percent) => `Modell wird geladen: ${percent}. Es bleibt für den nächsten Besuch gespeichert.`,
  verify: (percent) => `Modell wird geprüft: ${percent}.`,
  compile: (percent) => `Modell wird vorbereitet: ${percent}.`,
  writing: (number, total) => `Schreibt Satz ${number} von ${total}…`,
  stopped: 'Angehalten.',
  'end-of-text': 'Das Modell hat seinen Text beendet.',
  repetition: 'Das Modell begann sich zu wiederholen und wurde angehalten.',
  'context-full': 'Der Text ist so lang, wie dieses Modell fassen kann.',
  length: '',
  wrong: 'Das hat nicht geklappt.',
}

const spanish: Messages = {
  label: 'Su texto',
  placeholder: 'Escriba dos o tres frases sencillas.',
  continue: 'Continuar',
  stop: 'Detener',
  required: 'Escriba primero un texto.',
  loading: 'Cargando el modelo',
  starting: 'Iniciando…',
  download: (percent) => `Descargando el modelo: ${percent}. Se guarda para la próxima visita.`,
  verify: (percent) => `Comprobando el modelo: ${percent}.`,
  compile: (percent) => `Preparando el modelo: ${percent}.`,
  writing: (number, total) => `Escribiendo la frase ${number} de ${total}…`,
  stopped: 'Detenido.',
  'end-of-text': 'El modelo ha terminado su texto.',
  repetition: 'El modelo empezó a repetirse y se detuvo.',
  'context-full': 'El texto es tan largo como este modelo puede contener.',
  length: '',
  wrong: 'No ha funcionado.',
}

const byLanguage: Record<string, Messages> = { en: english, fr: french, de: german, es: spanish }

/**
 * The texts for an element: in the language of the page around it, else the visitor's, else English.
 * @returns with the BCP 47 code of the language they are in
 */
export function messagesFor(element: Element): { messages: Messages; language: string } {
  const around = element.closest('[lang]')?.getAttribute('lang') ?? document.documentElement.lang
  const wanted = around ? [around] : navigator.languages
  const language = wanted.map((code) => code.slice(0, 2).toLowerCase()).find((code) => Object.hasOwn(byLanguage, code)) ?? 'en'
  return { messages: byLanguage[language] as Messages, language }
}
