/**
 * What this machine offers to the webgpu engine, for `model-t doctor`: device nodes, adapters, which of them would be taken and
 * why, and how fast it can be read. Never throws because of a GPU: what is wrong is part of the answer. Opens a device for the
 * measurement and closes it again.
 */
import { ModelTError } from '../../stack/index.js';
import { chooseEngine, type EngineChoice } from '../engine-choice.js';
import type { AdapterDescription } from './adapters.js';
import { listAdapters, openDevice } from './dawn.js';
import { gpuNodes } from './presence.js';
import { measureReadBack, type ReadBackRequest } from './read-back.js';
import { findSwiftShader } from './swiftshader.js';
import { defaultBatch } from './tune.js';

export interface GpuSurvey {
  /** Device nodes such as /dev/dri/renderD128. */
  readonly nodes: readonly string[];
  /** Version of the package that SwiftShader, the software GPU, comes from; null = not installed. */
  readonly softwarePackage: string | null;
  readonly adapters: readonly AdapterDescription[];
  /** What `--engine auto` takes for a run that either engine could do. */
  readonly auto: EngineChoice;
  /** What `--engine webgpu` takes unless `--gpu` says otherwise. */
  readonly chosen: { readonly adapter: string; readonly why: string } | null;
  readonly readBack: (ReadBackRequest & { readonly bytesPerSecond: number }) | null;
  /** Why there is no adapter, or no measurement. */
  readonly problem: string | null;
}

export async function surveyGpu(seconds: number): Promise<GpuSurvey> {
  const nodes = gpuNodes();
  const softwarePackage = findSwiftShader()?.version ?? null;
  const found = {
    adapters: [] as AdapterDescription[],
    chosen: null as GpuSurvey['chosen'],
    readBack: null as GpuSurvey['readBack'],
  };
  const auto = await chooseEngine({ inputs: [] });
  let problem: string | null = null;
  try {
    found.adapters = await listAdapters();
    const open = await openDevice({ choice: 'auto', robust: true });
    found.chosen = { adapter: open.adapter.name, why: open.why };
    try {
      /* What a run that is not tuned takes: the limit of that, and of nothing else. */
      const request = { ...defaultBatch(open.adapter.kind === 'software'), seconds };
      found.readBack = { ...request, bytesPerSecond: (await measureReadBack(open, request)).bytesPerSecond };
    } finally {
      open.close();
    }
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    problem = error.remedy ? `${error.message}. ${error.remedy}` : error.message;
  }
  return { nodes, softwarePackage, ...found, auto, problem };
}
