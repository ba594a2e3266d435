/**
 * Texts and pattern sets for measuring `match`, made up here and the same on every machine: HTTP requests and responses,
 * HTML, English-like sentences; sets of 1 to 1000 words, phrases, paths and header lines, of which some stand in the texts.
 * Pure. Called by `bench stack` and tests.
 */

const encoder = new TextEncoder();

/** Common words first: sentences draw them by rank, as language does (Zipf). */
const WORDS = (
  'the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were ' +
  'her all she there would their we him been has when who will more no if out so said what up its about into than them can only ' +
  'other new some could time these two may then do first any my now such like our over man me even most made after also did many ' +
  'before must through back years where much your way well down should because each just those people mister how too little state ' +
  'good very make world still own see men work long here get both between life being under never day same another know while last ' +
  'might us great old year off come since against go came right used take three states himself few house use during without again ' +
  'place american around however home small found thought went say part once general high upon school every does got united left ' +
  'number course war until always away something fact water though less public put think almost hand enough far took head yet ' +
  'government system better set told nothing night end why called eyes find going look asked later knew point next program city ' +
  'business group give toward young days let room president side social given present several order national possible rather second ' +
  'face per among form important often things looked early white case become large big need four within felt children along saw best ' +
  'church ever least power development light thing seemed family interest want members mind area country others although turned done ' +
  'open service certain kind different began door sense help problem matter network packet router protocol address stream window ' +
  'buffer engine ledger harbour copper lantern meadow orchard quarry saddle timber velvet willow anchor basket candle dragon ' +
  'feather garden hammer island jacket kettle ladder marble needle oyster pepper quiver ribbon silver thunder umbrella valley walnut ' +
  'yellow zeppelin archive browser catalogue delivery envelope festival gallery holiday inventory journal keyboard library magazine ' +
  'newsletter operator password question register schedule telephone username vacation warehouse'
).split(' ');

const HEADERS = (
  'Accept Accept-Encoding Accept-Language Cache-Control Connection Content-Encoding Content-Length Content-Type Cookie Date ETag ' +
  'Expires Host If-None-Match Last-Modified Location Pragma Referer Server Set-Cookie Transfer-Encoding User-Agent Vary Via'
).split(' ');

const TAGS = 'div span p a li ul table tr td h1 h2 em strong form input label img section article script'.split(' ');
const ATTRIBUTES = 'class id href src style title name value type alt width height'.split(' ');
const SYLLABLES =
  'ba be bi bo bu ca ce co cu da de di do fa fe fi ga ge go ha hi ho ja ju ka ke ki la le li lo lu ma me mi mo mu na ne ni no nu ' +
  'pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we xa ya za ze zo';
const SYLLABLE_LIST = SYLLABLES.split(' ');

/** xorshift32: small, and the same everywhere. */
function dice(seed: number): (limit: number) => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

type Dice = (limit: number) => number;
const pick = (roll: Dice, list: readonly string[]): string => list[roll(list.length)] as string;
/** By rank: the first tenth of the list makes up more than half. */
const word = (roll: Dice): string => WORDS[Math.floor(WORDS.length ** (roll(1e6) / 1e6)) - 1] as string;

function sentence(roll: Dice): string {
  const words = Array.from({ length: 5 + roll(14) }, () => word(roll) + (roll(9) === 0 ? ',' : ''));
  const text = words.join(' ').replace(/,$/, '');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${pick(roll, ['.', '.', '.', '?', ';'])} `;
}

const path = (roll: Dice): string =>
  `/${Array.from({ length: 1 + roll(3) }, () => word(roll)).join('/')}${pick(roll, ['.html', '.png', '.js', '/', '.css', '?id='])}`;

function headerLine(roll: Dice): string {
  const values = [
    'text/html; charset=utf-8',
    'gzip, deflate',
    'keep-alive',
    'no-cache',
    `${roll(100000)}`,
    'max-age=3600',
    path(roll),
  ];
  return `${pick(roll, HEADERS)}: ${pick(roll, values)}\r\n`;
}

function message(roll: Dice): string {
  const first =
    roll(2) === 0
      ? `GET ${path(roll)} HTTP/1.1\r\nHost: www.${word(roll)}.example\r\n`
      : 'HTTP/1.1 200 OK\r\nServer: example/1.0\r\n';
  return `${first}${Array.from({ length: 3 + roll(6) }, () => headerLine(roll)).join('')}\r\n`;
}

function element(roll: Dice): string {
  const tag = pick(roll, TAGS);
  const attributes = Array.from({ length: roll(3) }, () => ` ${pick(roll, ATTRIBUTES)}="${word(roll)}-${roll(50)}"`).join('');
  return `<${tag}${attributes}>${sentence(roll)}${roll(3) === 0 ? sentence(roll) : ''}</${tag}>\n`;
}

/** `count` texts of `bytes` bytes each. */
export function matchTexts(count: number, bytes = 1400, seed = 1): Uint8Array[] {
  const roll = dice(seed);
  return Array.from({ length: count }, () => {
    let text = roll(2) === 0 ? message(roll) : '';
    while (text.length < bytes) {
      const kind = roll(10);
      text += kind < 4 ? sentence(roll) : kind < 9 ? element(roll) : message(roll);
    }
    return encoder.encode(text).subarray(0, bytes);
  });
}

const invented = (roll: Dice, syllables: number): string =>
  Array.from({ length: syllables }, () => pick(roll, SYLLABLE_LIST)).join('');

/** A word that is none of the hundred commonest, and not short: what people search for. */
const CONTENT = WORDS.slice(100).filter((text) => text.length >= 5);
const content = (roll: Dice): string => pick(roll, CONTENT);

/** One pattern of the sort that signatures and word lists have; one in five can stand in matchTexts(), the first does. */
function pattern(roll: Dice, index: number): string {
  const kind = index % 20;
  if (kind % 10 === 0) return content(roll);
  if (kind === 5) return `${content(roll)} ${content(roll)}`;
  if (kind === 3) return `${pick(roll, HEADERS)}: ${invented(roll, 2)}`;
  if (kind < 5) return `/${invented(roll, 2)}/${invented(roll, 2)}.${pick(roll, ['php', 'exe', 'asp', 'cgi'])}`;
  if (kind < 8) return `${pick(roll, ['cmd', 'user', 'file', 'page', 'q'])}=${invented(roll, 2)}`;
  if (kind === 8) return `<${invented(roll, 2)} `;
  if (kind < 14) return invented(roll, 3 + roll(2));
  return `${invented(roll, 2 + roll(3))}${roll(2) === 0 ? ` ${content(roll)}` : ''}`;
}

/** `count` different patterns. The first are the same whatever the count, so that sets of all sizes grow out of each other. */
export function matchPatterns(count: number, seed = 2): Uint8Array[] {
  const roll = dice(seed);
  const found = new Set<string>();
  for (let index = 0; found.size < count; index++) found.add(pattern(roll, index));
  return [...found].map((text) => encoder.encode(text));
}

/** Nothing but words of the texts: as dense as matches get. */
export function commonWords(count: number): Uint8Array[] {
  return WORDS.filter((text) => text.length >= 3)
    .slice(0, count)
    .map((text) => encoder.encode(text));
}
