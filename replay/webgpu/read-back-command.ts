/** The read-back limit of one adapter from nothing: opens its device, measures, closes it. For benchmarks, through the door. */
import { openDevice } from './dawn.js';
import { measureReadBack, type ReadBack, type ReadBackRequest } from './read-back.js';

export interface AdapterReadBack extends ReadBack {
  readonly adapter: string;
}

/** `choice` is what `--gpu` takes. Throws ModelTError when there is no such adapter or it fails. */
export async function measureAdapterReadBack(choice: string, request: ReadBackRequest): Promise<AdapterReadBack> {
  const open = await openDevice({ choice, robust: true });
  try {
    return { adapter: open.adapter.name, ...(await measureReadBack(open, request)) };
  } finally {
    open.close();
  }
}
