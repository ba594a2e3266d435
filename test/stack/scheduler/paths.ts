/** Made-up paths, and every placement there is, for tests of the scheduler. Only tests may import this. */
import { element, type Layout, layoutOf, type PathCosts, type Platform } from '../../../stack/index.js';

export function pathOf(cycles: readonly number[], changes: Partial<PathCosts> = {}): PathCosts {
  return {
    elements: cycles.map((each, at) => {
      const kind = at === 0 ? 'source' : at === 1 ? 'intake' : 'unit';
      return element(at < 2 ? kind : `u${at - 2}`, kind, each);
    }),
    sourceOutside: false,
    burst: 256,
    frameBytes: 60,
    notReplicable: null,
    ...changes,
  };
}

/** Ways to cut `elements` into at most `most` ranges, as ends of ranges. */
export function cutsOf(elements: number, most: number): number[][] {
  if (elements === 0) return [[]];
  if (most === 0) return [];
  return Array.from({ length: elements }, (_, at) => at + 1).flatMap((first) =>
    cutsOf(elements - first, most - 1).map((rest) => [first, ...rest.map((end) => first + end)]),
  );
}

/** Every placement on every choice of cores: for small machines. */
export function everyLayout(path: PathCosts, platform: Platform): Layout[] {
  const first = path.sourceOutside ? 1 : 0;
  const cores = [...platform.cores.keys()];
  const layouts: Layout[] = [];
  for (const cuts of cutsOf(path.elements.length - first, cores.length)) {
    if (cuts.some((cut) => first + cut < path.elements.length && !path.elements[first + cut]?.mayBegin)) continue;
    const place = (range: number, free: readonly number[], containers: readonly number[]): void => {
      if (range === cuts.length) {
        layouts.push(layoutOf(containers, path, platform));
        return;
      }
      for (const core of free) {
        const next = [...containers].fill(core, first + (cuts[range - 1] ?? 0), first + (cuts[range] ?? 0));
        place(
          range + 1,
          free.filter((other) => other !== core),
          next,
        );
      }
    };
    place(0, cores, new Array<number>(path.elements.length).fill(-1));
  }
  return layouts;
}

export function best(layouts: readonly Layout[]): Layout {
  return layouts.reduce((least, layout) => (layout.bottleneck < least.bottleneck ? layout : least));
}

/** On the first cores, without a choice between them: for machines of equal cores. */
export function everyCut(path: PathCosts, platform: Platform): Layout[] {
  const first = path.sourceOutside ? 1 : 0;
  return cutsOf(path.elements.length - first, platform.cores.length).map((cuts) => {
    const containers: number[] = new Array(path.elements.length).fill(-1);
    cuts.forEach((end, range) => {
      containers.fill(range, first + (cuts[range - 1] ?? 0), first + end);
    });
    return layoutOf(containers, path, platform);
  });
}
