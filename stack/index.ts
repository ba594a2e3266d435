/**
 * The door of `stack/`: rings, operations, pipelines, the machine, errors. Imports nothing of ours from outside the folder.
 *
 *   ring (model_t_ring.h) --burst--> container: operation | operation | ... | digest --> statistics page
 *        producer: replay/                      declarations: ops/*.ts   bodies: ops/*.cc
 *
 *   text or JSON --pipeline/--> Pipeline --planner/--> PipelinePlan (records for the native program, and the reasons)
 */
export * from './accelerator.js';
export { decode as decodeFilter } from './bpf/bytecode.js';
export { filterBytecode } from './bpf/compile.js';
export { FILTER_HELPERS, filterShader } from './bpf/wgsl.js';
export * from './calibrate.js';
export * from './errors.js';
export * from './layout.js';
export * from './machine.js';
export {
  type MatchOccurrences,
  type MatchRate,
  type NativeBurst,
  type NativeColumns,
  type NativeHopResult,
  type NativePackets,
  type NativePlaces,
  type NativeProbe,
  type NativeProbed,
  type NativeProgram,
  type NativeQueueConfig,
  type NativeQueueResult,
  type NativeRecord,
  type NativeRow,
  type NativeStepResult,
  native,
  nativeModule,
  packageRoot,
  type StackNative,
} from './native.js';
export { BODIES, findOperation, OPERATIONS } from './operations.js';
export { compilePatterns, match } from './ops/match.js';
export type {
  ArgumentKind,
  Choice,
  Column,
  Operation,
  RefuseArgument,
  Rows,
  VariantDeclaration,
} from './ops/operation.js';
export type {
  ArgumentSpec,
  Group,
  GroupSpec,
  Node,
  NodeSpec,
  ParseOptions,
  Pipeline,
  PipelineSpec,
  Sequence,
  Step,
  StepSpec,
} from './pipeline/tree.js';
export { stepsOf } from './pipeline/tree.js';
export * from './pipeline.js';
export * from './planner/compilers.js';
export * from './planner/device-steps.js';
export * from './planner/plan.js';
export * from './planner/plan-types.js';
export {
  type ChoiceOptions,
  choosePlacement,
  DEFAULT_LATENCY_SECONDS,
  type Expectation,
  type PlacementChoice,
  type StartMode,
} from './scheduler/choice.js';
export * from './scheduler/costs.js';
export * from './scheduler/layout.js';
export * from './scheduler/machine-file.js';
export * from './scheduler/machine-model.js';
export * from './scheduler/machine-presets.js';
export * from './scheduler/measurements.js';
export * from './scheduler/partition.js';
export * from './scheduler/policy.js';
export type * from './scheduler/policy-types.js';
export * from './scheduler/types.js';
