// Draws avatars with known attributes: one line of JSON each, { style, hair, glasses, mouth, svg }.
//   npm install @dicebear/core@9 @dicebear/collection@9
//   node avatars.mjs COUNT SEED > avatars.jsonl      (in the folder that has node_modules)
// The attributes are drawn here and not by DiceBear, so that each is as frequent as any other.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const here = createRequire(pathToFileURL(process.cwd() + '/'));
const load = (name) => import(pathToFileURL(here.resolve(name)).href);
const { createAvatar } = await load('@dicebear/core');
const styles = await load('@dicebear/collection');

const HAIR = {
  red: 'd0302a', orange: 'ee8a2f', blond: 'e8cf80', brown: '6b4226', black: '1d1a1c',
  gray: 'a3a3a8', white: 'f2f2f2', pink: 'f08cb8', purple: '7d46b5', blue: '3a6fd8', green: '3f9f56',
};
const STYLES = {
  avataaars: {
    mouths: { smiling: ['smile', 'twinkle'], sad: ['sad', 'concerned'], serious: ['serious'],
      surprised: ['disbelief', 'screamOpen'] },
    eyes: ['default', 'happy', 'side'],
    facialHairProbability: 0, // mustaches hide mouths
    eyebrows: ['default', 'defaultNatural'],
    top: ['bob', 'bun', 'curly', 'curvy', 'dreads', 'fro', 'longButNotTooLong', 'miaWallace',
      'straight01', 'straight02', 'shaggy', 'shortCurly', 'shortFlat', 'shortRound', 'shortWaved',
      'theCaesar', 'bigHair'],
    glasses: { accessories: ['prescription01', 'prescription02', 'round'] },
    glassesColor: { accessoriesColor: ['262e33'] },
    chance: 'accessoriesProbability',
  },
  personas: {
    mouths: { smiling: ['smile', 'bigSmile'], sad: ['frown'], surprised: ['surprise'] },
    facialHairProbability: 0,
    eyes: ['open'],
    hair: ['long', 'sideShave', 'shortCombover', 'curlyHighTop', 'bobCut', 'curly', 'pigtails',
      'curlyBun', 'bobBangs', 'bunUndercut', 'straightBun', 'extraLong', 'mohawk'],
    glasses: { eyes: ['glasses'] },
  },
  bigSmile: {
    mouths: { smiling: ['openedSmile', 'teethSmile', 'gapSmile'], sad: ['openSad'],
      serious: ['unimpressed'] },
    eyes: ['cheery', 'normal'],
    hair: ['shortHair', 'mohawk', 'wavyBob', 'bowlCutHair', 'curlyBob', 'straightHair', 'braids',
      'bunHair', 'froBun', 'bangs', 'curlyShortHair'],
    glasses: { accessories: ['glasses'] },
    chance: 'accessoriesProbability',
  },
  toonHead: {
    mouths: { smiling: ['laugh'], sad: ['sad'], surprised: ['agape'] }, // its smile is a line
    eyes: ['happy', 'wide'],
    eyebrows: ['neutral', 'raised'],
    hair: ['sideComed', 'undercut', 'spiky', 'bun'],
    beardProbability: 0,
  },
};

function random(state) { // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const [count, seed] = process.argv.slice(2).map(Number);
const draw = random(seed);
const one = (list) => list[Math.floor(draw() * list.length)];
for (let i = 0; i < count; i++) {
  const style = one(Object.keys(STYLES));
  const { mouths, glasses, glassesColor, chance, ...fixed } = STYLES[style];
  const hair = one(Object.keys(HAIR));
  const mouth = one(Object.keys(mouths));
  const wears = Boolean(glasses) && draw() < 0.45;
  const options = { ...fixed, seed: `${seed}-${i}`, hairColor: [HAIR[hair]], mouth: mouths[mouth] };
  if (chance) options[chance] = wears ? 100 : 0;
  if (wears) Object.assign(options, glasses, glassesColor);
  const svg = createAvatar(styles[style], options).toString();
  const seen = glasses ? wears : null;
  process.stdout.write(JSON.stringify({ style, hair, glasses: seen, mouth, svg }) + '\n');
}
