/**
 * Which engine `auto` means: the WebGPU engine where there is a real GPU and the request is one that it runs, else the native
 * one. The one part of planning that looks at the machine beyond its description. Called by the CLI and by doctor.
 */
import { ModelTError } from '../stack/index.js';
import type { EngineName, ReplayRequest } from './plan-types.js';
import { listAdapters } from './webgpu/dawn.js';
import { gpuNodes } from './webgpu/presence.js';

export interface EngineChoice {
  readonly engine: EngineName;
  readonly why: string;
}

/** What a request asks for that only the native engine has; null = nothing. */
function nativeOnly(request: ReplayRequest): string | null {
  if (request.inputs.includes('-')) return 'standard input is replayed while it grows';
  if (request.payload === 'resident') return '--payload resident is of the native engine';
  if ((request.threads ?? 1) > 1) return '--threads is of the native engine';
  if (request.readerPolicy === 'drop') return '--reader drop is of the native engine';
  if (request.ringBytes !== undefined && request.ringBytes !== 'auto') return '--ring-size is of the native engine';
  return null;
}

/** Never rejects: whatever is wrong with a GPU, the native engine runs. */
export async function chooseEngine(request: ReplayRequest, root = ''): Promise<EngineChoice> {
  if (request.engine !== undefined) return { engine: request.engine, why: 'asked for' };
  const asked = Object.entries(request.gpu ?? {}).find(([, value]) => value !== undefined);
  if (asked) return { engine: 'webgpu', why: 'a GPU flag was given' };
  const reason = nativeOnly(request);
  if (reason !== null) return { engine: 'native', why: reason };
  const nodes = gpuNodes(root);
  if (nodes.length === 0) return { engine: 'native', why: 'there is no GPU device node' };
  try {
    const adapter = (await listAdapters()).find(({ kind }) => kind !== 'software');
    if (adapter) return { engine: 'webgpu', why: `GPU ${adapter.name}` };
    return { engine: 'native', why: `${nodes[0]} is there, but Vulkan finds no hardware GPU` };
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return { engine: 'native', why: error.message };
  }
}
