// Draws avatars whose elements name the part of the person that they draw: one line of JSON each,
// { style, svg }, where <g data-part="hair">...</g> encloses the elements of a part.
//   npm install @dicebear/core@9 @dicebear/collection@9
//   node avatar_parts.mjs COUNT SEED [STYLE...] > avatar_parts.jsonl   (where node_modules is)
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const here = createRequire(pathToFileURL(process.cwd() + '/'));
const load = (path) => import(pathToFileURL(path).href);
const { createAvatar } = await load(here.resolve('@dicebear/core'));
// DiceBear's name of a group of components -> the part. Groups that are not listed keep the part of
// what encloses them; what is not in any group is skin.
const PARTS = {
  hair: 'hair', top: 'hair', rearHair: 'hair', accessories: 'glasses', glasses: 'glasses',
  mouth: 'mouth', eyes: 'eyes', eyebrows: 'eyebrows', nose: 'nose', clothing: 'clothes',
  clothes: 'clothes', body: 'clothes', facialHair: 'beard', beard: 'beard', earrings: 'earrings',
  shirt: 'clothes',
};
const HAIR = ['d0302a', 'ee8a2f', 'e8cf80', '6b4226', '1d1a1c', 'a3a3a8', 'f2f2f2', 'f08cb8', '7d46b5',
  '3a6fd8', '3f9f56'];
const STYLES = {
  avataaars: {
    top: ['bob', 'bun', 'curly', 'curvy', 'dreads', 'fro', 'longButNotTooLong', 'miaWallace',
      'straight01', 'straight02', 'shaggy', 'shortCurly', 'shortFlat', 'shortRound', 'shortWaved',
      'theCaesar', 'bigHair'],
    accessories: ['prescription01', 'prescription02', 'round', 'sunglasses', 'wayfarers'],
    accessoriesProbability: 45, facialHairProbability: 15, hairColor: HAIR,
  },
  personas: {
    eyes: ['open', 'sleep', 'happy'], facialHairProbability: 15, hairColor: HAIR,
    hair: ['long', 'sideShave', 'shortCombover', 'curlyHighTop', 'bobCut', 'curly', 'pigtails',
      'curlyBun', 'bobBangs', 'bunUndercut', 'straightBun', 'extraLong', 'mohawk'],
  },
  'big-smile': {
    accessories: ['glasses', 'sunglasses'], accessoriesProbability: 45, hairColor: HAIR,
  },
  'toon-head': { beardProbability: 15, hairColor: HAIR },
  adventurer: { glassesProbability: 45, earringsProbability: 0, featuresProbability: 0, hairColor: HAIR },
  micah: { glassesProbability: 45, earringsProbability: 0, facialHairProbability: 10, hairColor: HAIR },
};

const [count, seed, ...chosen] = process.argv.slice(2);
const names = chosen.length ? chosen : ['avataaars', 'personas', 'big-smile', 'toon-head'];
const styles = {};
for (const name of names) {
  const entry = here.resolve(`@dicebear/${name}`);
  const groups = await load(join(dirname(entry), 'components', 'index.js'));
  for (const [group, variants] of Object.entries(groups)) {
    // toon-head calls the neck "body".
    const part = name === 'toon-head' && group === 'body' ? 'skin' : PARTS[group];
    if (!part) continue;
    for (const [key, draw] of Object.entries(variants)) {
      variants[key] = (...all) => `<g data-part="${part}">${draw(...all)}</g>`;
    }
  }
  styles[name] = await load(entry);
}
for (let i = 0; i < Number(count); i++) {
  const style = names[i % names.length];
  const svg = createAvatar(styles[style], { ...STYLES[style], seed: `${seed}-${i}` }).toString();
  process.stdout.write(JSON.stringify({ style, svg }) + '\n');
}
