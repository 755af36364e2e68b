// Writes the parts of DiceBear's style "personas" that the portraits are composed of, as one JSON
// object: { head, eyes: {...}, glasses, mouth: {...}, nose: {...}, hair: {...}, body: {...} }.
//   npm install @dicebear/core@9 @dicebear/collection@9
//   node portraits.mjs > portraits.json              (in the folder that has node_modules)
// The colors stay open: {skin}, {hair} and {clothes} stand for them.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const here = createRequire(pathToFileURL(process.cwd() + '/'));
const style = here.resolve('@dicebear/personas');
const load = (path) => import(pathToFileURL(path).href);
const parts = await load(join(dirname(style), 'components', 'index.js'));
const { createAvatar } = await load(here.resolve('@dicebear/core'));
const personas = await load(style);

const open = { hair: '{hair}', clothing: '{clothes}', skin: '{skin}' };
const chosen = (group, names) =>
  Object.fromEntries(names.map((name) => [name, parts[group][name]({}, open)]));

const whole = createAvatar(personas, { skinColor: ['a0b0c0'] }).toString();
const [, outline] = /<path d="([^"]+)" fill="#a0b0c0"\/>/.exec(whole);

process.stdout.write(JSON.stringify({
  head: outline,
  eyes: chosen('eyes', ['open', 'sleep']),
  glasses: chosen('eyes', ['glasses']).glasses,
  mouth: chosen('mouth', ['smile', 'frown', 'surprise']),
  nose: chosen('nose', ['mediumRound', 'wrinkles']),
  hair: chosen('hair', ['shortCombover', 'curlyHighTop', 'shortComboverChops', 'bobCut', 'curly',
    'pigtails', 'long', 'extraLong']),
  body: chosen('body', ['squared', 'rounded', 'checkered']),
}, null, 1) + '\n');
