/**
 * Whether this machine has a GPU at all, by its device nodes: `--engine auto` asks here first, so that a machine without one
 * never loads the GPU library (70 MB). Looks into /dev below a root folder, nothing else; called by the planner and by doctor.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Mesa and other kernel drivers; NVIDIA's own; the GPU of the host below WSL. */
const NODES: readonly (readonly [folder: string, name: RegExp])[] = [
  ['/dev/dri', /^renderD\d+$/],
  ['/dev', /^nvidia\d+$/],
  ['/dev', /^dxg$/],
];

/** Paths of the GPU device nodes, for example `/dev/dri/renderD128`; empty where there is no GPU or the container hides it. */
export function gpuNodes(root = ''): string[] {
  return NODES.flatMap(([folder, name]) =>
    entries(join(root || '/', folder))
      .filter((entry) => name.test(entry))
      .sort()
      .map((entry) => `${folder}/${entry}`),
  );
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
