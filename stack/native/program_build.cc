/* From the planner's records to a program's nodes. See program.h. */
#include <cstring>

#include "program_nodes.h"

namespace model_t {

namespace {

struct Fusable {
  const char* name;
  Program::Settle settle;
};

/* What each operation of a header pass adds to its verdicts for the plain rows; verdict numbers as in the declarations. */
const Fusable kFusable[] = {
    {"eth", [](OperationState& state, const HeaderPassCounts& counts) { state.verdicts[0] += counts.plain; }},
    {"ip4", [](OperationState& state, const HeaderPassCounts& counts) { state.verdicts[0] += counts.plain; }},
    {"ip6", [](OperationState& state, const HeaderPassCounts& counts) { state.verdicts[4] += counts.plain; }},
    {"tcp",
     [](OperationState& state, const HeaderPassCounts& counts) {
       state.verdicts[0] += counts.tcp;
       state.verdicts[2] += counts.plain - counts.tcp;
     }},
    {"udp",
     [](OperationState& state, const HeaderPassCounts& counts) {
       state.verdicts[0] += counts.udp;
       state.verdicts[2] += counts.plain - counts.udp;
     }},
    {"checksum-verify", [](OperationState& state, const HeaderPassCounts& counts) { state.verdicts[0] += counts.plain; }},
    {"port",
     [](OperationState& state, const HeaderPassCounts& counts) {
       state.verdicts[0] += counts.tcp + counts.udp;
       state.verdicts[1] += counts.plain - counts.tcp - counts.udp;
     }},
    {"count",
     [](OperationState& state, const HeaderPassCounts& counts) {
       state.verdicts[0] += counts.plain;
       state.verdicts[1] += counts.bytes;
     }},
    {"null", [](OperationState& state, const HeaderPassCounts& counts) { state.verdicts[0] += counts.plain; }},
};

const Fusable* find_fusable(const StepRecord& record) {
  if (record.name == "checksum-verify" && record.parameter != 1) return nullptr; /* 1: header */
  if (record.wants & kWantPayloads) return nullptr;
  for (const Fusable& fusable : kFusable) {
    if (record.name == fusable.name) return &fusable;
  }
  return nullptr;
}

/* What the pass over records [first, last) has to do. */
HeaderPassPlan plan_pass(const StepRecord* first, const StepRecord* last) {
  HeaderPassPlan plan;
  for (const StepRecord* record = first; record < last; record++) {
    plan.stores_columns |= record->stores;
    plan.verifies |= record->name == "checksum-verify";
    plan.checks_tcp |= record->name == "tcp";
    plan.checks_udp |= record->name == "udp";
    if (record->name == "port") plan.classes = record->parameter == 1 ? HeaderPassPlan::source_port : HeaderPassPlan::destination_port;
  }
  if (plan.classes == HeaderPassPlan::none && (plan.checks_tcp || plan.checks_udp)) plan.classes = HeaderPassPlan::lower_port;
  return plan;
}

/* How many records from `first` on can be one pass; 0 = none. The plan is not believed: whoever wrote it. */
size_t pass_length(const std::vector<StepRecord>& records, size_t first) {
  if (records[first].pass < 0 || records[first].name != "eth" || first + 1 >= records.size() || records[first + 1].name != "ip4") return 0;
  const StackKernels* const kernels = find_stack_kernels(records[first].variant.c_str());
  if (!kernels || !kernels->find_header_pass) return 0;
  size_t last = first;
  bool classified = false;
  for (; last < records.size(); last++) {
    const StepRecord& record = records[last];
    if (record.kind != StepRecord::Kind::operation || record.pass != records[first].pass || !find_fusable(record)) break;
    if (last > first && record.condition >= 0) break;
    if (record.name == "port") {
      if (classified) break; /* a second port means another class, which the first pass does not keep */
      classified = true;
    }
    if (classified && (record.name == "tcp" || record.name == "udp")) break; /* would classify anew */
  }
  return last - first >= 2 ? last - first : 0;
}

}  // namespace

Program::Step::~Step() {
  if (state.memory && body->destroy) body->destroy(state.memory);
}

Program::Program() = default;
Program::~Program() = default;

std::unique_ptr<Program> Program::create(const ProgramPlan& plan, std::string* error) {
  std::unique_ptr<Program> program(new Program());
  program->needs_ = plan.needs;
  program->main_ = std::make_unique<Sequence>();
  size_t at = 0;
  if (!program->build_sequence(plan.records, &at, program->main_.get(), error)) return nullptr;
  if (at != plan.records.size()) {
    *error = "the plan's groups do not nest: record " + std::to_string(at);
    return nullptr;
  }
  program->main_->main = true;
  program->link(*program->main_);
  program->name_units(plan.records);
  program->whole_ = std::make_unique<ProgramRange>(*program, 0, program->unit_count());
  return program;
}

/* Steps were made depth first, in the order of the records that are operations. */
void Program::name_units(const std::vector<StepRecord>& records) {
  std::vector<std::string> names;
  for (const StepRecord& record : records) {
    if (record.kind == StepRecord::Kind::operation) names.push_back(record.name);
  }
  uint32_t first = 0;
  for (const Node& node : main_->nodes) {
    const uint32_t count = step_total(node);
    std::string name = count > 0 ? names[first] : "";
    if (count > 1) name += ".." + names[first + count - 1];
    unit_names_.push_back(node.branches.empty() ? name : "(" + name + ")");
    unit_steps_.push_back(first);
    first += count;
  }
  unit_steps_.push_back(first);
}

/* Steps of a node and of what stands in it. */
uint32_t Program::step_total(const Node& node) {
  uint32_t count = node.pass.empty() ? (node.step ? 1 : 0) : static_cast<uint32_t>(node.pass.size());
  for (const Sequence& branch : node.branches) {
    for (const Node& inner : branch.nodes) count += step_total(inner);
  }
  return count;
}

bool Program::unit_expands(uint32_t unit) const { return main_->nodes[unit].expansion != nullptr; }

/* Records from `at` to the end of the sequence, which is the end of the plan or the next branch or join. */
bool Program::build_sequence(const std::vector<StepRecord>& records, size_t* at, Sequence* sequence, std::string* error) {
  while (*at < records.size()) {
    const StepRecord& record = records[*at];
    if (record.kind == StepRecord::Kind::branch || record.kind == StepRecord::Kind::join) return true;
    Node node;
    node.condition = record.condition;
    if (record.kind == StepRecord::Kind::fork) {
      if (!build_group(records, at, &node, error)) return false;
    } else if (const size_t length = pass_length(records, *at); length > 0) {
      if (!build_pass(records, at, length, &node, error)) return false;
    } else {
      node.step = build_step(record, error);
      if (!node.step) return false;
      if (node.step->body->flags & kExpands) node.expansion = std::make_unique<Expansion>();
      ++*at;
    }
    sequence->nodes.push_back(std::move(node));
  }
  return true;
}

bool Program::build_pass(const std::vector<StepRecord>& records, size_t* at, size_t length, Node* node, std::string* error) {
  const StepRecord* const first = &records[*at];
  for (size_t i = 0; i < length; i++) {
    Step* const step = build_step(first[i], error);
    if (!step) return false;
    node->pass.push_back(step);
    node->settle.push_back(find_fusable(first[i])->settle);
  }
  node->step = node->pass[0];
  node->pass_plan = plan_pass(first, first + length);
  node->run_pass = find_stack_kernels(first->variant.c_str())->find_header_pass(node->pass_plan);
  *at += length;
  return true;
}

Program::Step* Program::build_step(const StepRecord& record, std::string* error) {
  auto step = std::make_unique<Step>();
  step->body = find_operation(record.name.c_str(), record.variant.c_str());
  if (!step->body) {
    *error = "this CPU or build has no operation '" + record.name + "' as '" + record.variant + "'";
    return nullptr;
  }
  step->data = record.data;
  step->state.parameter = record.parameter;
  step->state.wants = record.wants;
  if (step->body->create) {
    char problem[256] = "";
    const OperationArgument argument = {record.parameter, record.wants, step->data.data(), static_cast<uint32_t>(step->data.size())};
    step->state.memory = step->body->create(argument, problem);
    if (!step->state.memory) {
      *error = record.name + ": " + (problem[0] ? problem : "out of memory");
      return nullptr;
    }
  }
  steps_.push_back(std::move(step));
  return steps_.back().get();
}

/* fork, then branch and its records once or more, then join. */
bool Program::build_group(const std::vector<StepRecord>& records, size_t* at, Node* node, std::string* error) {
  node->scratch = std::make_unique<Burst256>();
  node->arrived = std::make_unique<uint64_t[]>(kBurstCapacity / 64);
  for (++*at; *at < records.size() && records[*at].kind == StepRecord::Kind::branch;) {
    ++*at;
    Sequence branch;
    if (!build_sequence(records, at, &branch, error)) return false;
    node->branches.push_back(std::move(branch));
  }
  if (*at == records.size() || records[*at].kind != StepRecord::Kind::join || node->branches.empty()) {
    *error = "the plan's groups do not nest: record " + std::to_string(*at);
    return false;
  }
  ++*at;
  return true;
}

/* Pointers between nodes, now that they stay where they are. */
void Program::link(Sequence& sequence) {
  for (size_t i = 0; i < sequence.nodes.size(); i++) {
    Node& node = sequence.nodes[i];
    for (Sequence& branch : node.branches) {
      branch.arrived = node.arrived.get();
      link(branch);
    }
    if (!node.expansion) continue;
    Expansion& expansion = *node.expansion;
    memset(static_cast<void*>(&expansion.burst), 0xa5, sizeof expansion.burst); /* so that nobody comes to rely on zeros */
    expansion.burst.count = 0;
    expansion.sequence = &sequence;
    expansion.next = i + 1;
    expansion.output = {&expansion.burst, Expansion::run, &expansion};
    node.step->state.output = &expansion.output;
  }
}

}  // namespace model_t
