/**
 * The door of `stack/`: rings, operations, pipelines, the machine, errors. Imports nothing of ours from outside the folder.
 *
 *   ring (model_t_ring.h) --burst--> container: operation | operation | ... | digest --> statistics page
 *        producer: replay/                      declarations: ops/*.ts   bodies: ops/*.cc
 */
export * from './errors.js';
export * from './layout.js';
export * from './machine.js';
export { native, nativeModule, packageRoot, type StackNative } from './native.js';
export type { Column, Operation } from './ops/operation.js';
export * from './pipeline.js';
