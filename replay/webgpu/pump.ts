/**
 * Tames the event loop while GPU results are awaited. Dawn asks for results in every turn of the loop, by way of the global
 * `setImmediate`: one CPU at 100 % as long as any map is pending, which in a stream is always. On two CPUs with a software GPU
 * that costs 30 % of the rate. The wrapper lets the thread nap before each of those turns.
 *
 * Touches `globalThis.setImmediate`, and only for Dawn's own callback; everybody else's calls pass through. Called by runs.
 */
type Nap = () => void;
type SetImmediate = typeof globalThis.setImmediate;

interface Wrapper {
  readonly original: PropertyDescriptor;
  readonly wrapped: SetImmediate;
}

/** Runs that wait at present, the latest last; each naps as its own run knows best. */
const naps: { readonly nap: Nap }[] = [];
let wrapper: Wrapper | null = null;

/**
 * From now on `nap` is called before each turn in which Dawn looks for results; it must return within a fraction of a
 * millisecond. Of several runs the one that came last naps: one nap per turn is enough. Returns the function that ends it.
 */
export function tamePump(nap: Nap): () => void {
  const entry = { nap };
  naps.push(entry);
  wrapper ??= install();
  return () => {
    const index = naps.indexOf(entry);
    if (index < 0) return;
    naps.splice(index, 1);
    if (naps.length === 0) uninstall();
  };
}

/** As long as the CPUs are the GPU, the thread that waits must leave them alone; a real GPU is asked more often. */
const NAP_MS = { software: 0.1, hardware: 0.02 };

/** tamePump() with plain sleeps, for whoever waits for a device and for nothing else. */
export function calmPump(isSoftware: boolean): () => void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const nap = isSoftware ? NAP_MS.software : NAP_MS.hardware;
  return tamePump(() => Atomics.wait(word, 0, 0, nap));
}

function install(): Wrapper | null {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'setImmediate');
  if (!original) return null;
  const real = globalThis.setImmediate;
  const wrapped = function setImmediate(this: unknown, ...parameters: Parameters<SetImmediate>) {
    if (isDawns(parameters)) naps.at(-1)?.nap();
    return Reflect.apply(real, this, parameters);
  };
  // `promisify(setImmediate)` goes by a symbol on the function, which must stay.
  Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(real));
  const made = { original, wrapped: wrapped as SetImmediate };
  Object.defineProperty(globalThis, 'setImmediate', {
    value: made.wrapped,
    configurable: true,
    enumerable: true,
    writable: true,
  });
  return made;
}

/** Somebody may have wrapped ours in the meantime: then it stays below theirs, where it does nothing without naps. */
function uninstall(): void {
  if (!wrapper || globalThis.setImmediate !== wrapper.wrapped) return;
  Object.defineProperty(globalThis, 'setImmediate', wrapper.original);
  wrapper = null;
}

/** Dawn's callback is C++, nameless, and takes nothing. Bound functions print the same text, but have no prototype, as C++ ones do. */
function isDawns(parameters: readonly unknown[]): boolean {
  const callback = parameters[0];
  if (typeof callback !== 'function' || callback.length !== 0 || callback.name !== '') return false;
  return callback.prototype !== undefined && Function.prototype.toString.call(callback).includes('[native code]');
}
