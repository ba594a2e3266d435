# One addon, build/Release/model_t.node: core sources for the baseline CPU, kernel files once per ISA with that ISA's flags.
{
  "variables": {
    "kernel_sources": [
      "stack/ops/eth.cc",
      "stack/ops/ip4.cc",
      "stack/ops/ip6.cc",
      "stack/ops/tcp.cc",
      "stack/ops/udp.cc",
      "stack/ops/checksum-verify.cc",
      "stack/ops/count.cc",
      "stack/native/stack_kernels.cc",
      "replay/native/kernels.cc",
    ],
  },
  "target_defaults": {
    # -Wno-restrict: GCC 12 and 13 see overlaps in std::string that are not there (GCC bug 105651); clang does
    # not know the warning.
    "cflags": ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-warning-option", "-Wno-restrict", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++20", "-O3"],
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20", "-O2"],
  },
  "targets": [
    {
      "target_name": "kernels_scalar",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["MODEL_T_ISA=scalar"],
    },
    {
      "target_name": "model_t",
      "dependencies": ["kernels_scalar"],
      "sources": [
        "stack/native/dispatch.cc",
        "stack/native/ring.cc",
        "stack/native/container.cc",
        "stack/native/binding_stack.cc",
        "replay/native/image.cc",
        "replay/native/reserved_memory.cc",
        "replay/native/builder.cc",
        "replay/native/link_type.cc",
        "replay/native/capture_blocks.cc",
        "replay/native/capture_reader.cc",
        "replay/native/capture_file.cc",
        "replay/native/gzip_source.cc",
        "replay/native/headers.cc",
        "replay/native/mutation.cc",
        "replay/native/device_image.cc",
        "replay/native/staging.cc",
        "replay/native/planner.cc",
        "replay/native/filling.cc",
        "replay/native/engine.cc",
        "replay/native/engine_readers.cc",
        "replay/native/dispatch.cc",
        "replay/native/reference.cc",
        "replay/native/pcap_sink.cc",
        "replay/native/run.cc",
        "replay/native/binding_trace.cc",
        "replay/native/binding_config.cc",
        "replay/native/binding_device.cc",
        "replay/native/binding_run.cc",
        "replay/native/binding.cc",
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS"],
      "conditions": [
        ["target_arch=='x64'", {"dependencies": ["kernels_avx2", "kernels_avx512"]}],
      ],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "kernels_avx2",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["MODEL_T_ISA=avx2"],
          "cflags": ["-mavx2", "-mbmi2"],
        },
        {
          "target_name": "kernels_avx512",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["MODEL_T_ISA=avx512"],
          "cflags": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512cd", "-mavx2", "-mbmi2"],
        },
      ],
    }],
  ],
}
