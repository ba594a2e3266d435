/*
 * The few vector operations the kernels need, on GCC/Clang vector types, so that one text serves AVX2 and AVX-512.
 *
 * A kernel file is compiled once per ISA with -DMODEL_T_ISA=scalar|avx2|avx512 and the flags of that ISA (binding.gyp);
 * everything in it lives in namespace model_t::MODEL_T_ISA and has internal linkage or a name of its own, so that the
 * linker can never hand AVX code to a machine without it. Include only from kernel files.
 */
#ifndef MODEL_T_STACK_VECTOR_H
#define MODEL_T_STACK_VECTOR_H

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef MODEL_T_ISA
#error "compile kernel files once per ISA with -DMODEL_T_ISA=scalar, avx2 or avx512"
#endif

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define MODEL_T_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define MODEL_T_VECTOR_BYTES 32
#else
#define MODEL_T_VECTOR_BYTES 0
#endif

#if MODEL_T_VECTOR_BYTES
#include <immintrin.h>

namespace model_t::MODEL_T_ISA {

constexpr uint32_t kLanes32 = MODEL_T_VECTOR_BYTES / 4;
constexpr uint32_t kLanes64 = MODEL_T_VECTOR_BYTES / 8;

typedef uint8_t VectorU8 __attribute__((vector_size(MODEL_T_VECTOR_BYTES)));
typedef uint16_t VectorU16 __attribute__((vector_size(MODEL_T_VECTOR_BYTES)));
typedef uint32_t VectorU32 __attribute__((vector_size(MODEL_T_VECTOR_BYTES)));
typedef int32_t VectorI32 __attribute__((vector_size(MODEL_T_VECTOR_BYTES)));
typedef uint64_t VectorU64 __attribute__((vector_size(MODEL_T_VECTOR_BYTES)));
typedef uint64_t QuadU64 __attribute__((vector_size(32)));

template <typename Vector>
[[gnu::always_inline]] static inline Vector load(const void* from) {
  Vector value;
  memcpy(&value, from, sizeof value);
  return value;
}

template <typename Vector>
[[gnu::always_inline]] static inline void store(void* to, Vector value) {
  memcpy(to, &value, sizeof value);
}

/* Product of the low 32 bits of each 64-bit lane. */
[[gnu::always_inline]] static inline VectorU64 multiply_low_halves(VectorU64 a, VectorU64 b) {
#if MODEL_T_VECTOR_BYTES == 64
  return (VectorU64)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b); /* plain mul: GCC 12 warns of its own header */
#else
  return (VectorU64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#endif
}

[[gnu::always_inline]] static inline QuadU64 multiply_low_halves_quad(QuadU64 a, QuadU64 b) {
  return (QuadU64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}

/* Low 64 bits of the product with a constant, from three 32-bit products. */
[[gnu::always_inline]] static inline QuadU64 multiply_quad(QuadU64 a, uint64_t constant) {
  const QuadU64 low = QuadU64{} + (constant & 0xffffffffu);
  const QuadU64 high = QuadU64{} + (constant >> 32);
  const QuadU64 cross = multiply_low_halves_quad(a >> 32, low) + multiply_low_halves_quad(a, high);
  return multiply_low_halves_quad(a, low) + (cross << 32);
}

/* Bytes of each 32-bit lane reversed. */
[[gnu::always_inline]] static inline VectorU32 swap_bytes(VectorU32 value) {
#define MODEL_T_SWAP4(n) (n) + 3, (n) + 2, (n) + 1, (n)
#define MODEL_T_SWAP16(n) MODEL_T_SWAP4(n), MODEL_T_SWAP4((n) + 4), MODEL_T_SWAP4((n) + 8), MODEL_T_SWAP4((n) + 12)
  const VectorU8 bytes = (VectorU8)value;
#if MODEL_T_VECTOR_BYTES == 64
  return (VectorU32)__builtin_shufflevector(bytes, bytes, MODEL_T_SWAP16(0), MODEL_T_SWAP16(16), MODEL_T_SWAP16(32),
                                            MODEL_T_SWAP16(48));
#else
  return (VectorU32)__builtin_shufflevector(bytes, bytes, MODEL_T_SWAP16(0), MODEL_T_SWAP16(16));
#endif
#undef MODEL_T_SWAP16
#undef MODEL_T_SWAP4
}

/* The 16-bit halves of each 32-bit lane exchanged. */
[[gnu::always_inline]] static inline VectorU32 swap_halves(VectorU32 value) { return value << 16 | value >> 16; }

/* Ones in each 16-bit half that is zero. */
[[gnu::always_inline]] static inline VectorU32 zero_halves(VectorU32 value) { return (VectorU32)((VectorU16)value == 0); }

/* Low halves of the lanes of `low`, high halves of those of `high`. */
[[gnu::always_inline]] static inline VectorU32 join_halves(VectorU32 low, VectorU32 high) {
#if MODEL_T_VECTOR_BYTES == 64
  return (VectorU32)_mm512_mask_blend_epi16(0xaaaaaaaau, (__m512i)low, (__m512i)high);
#else
  return (VectorU32)_mm256_blend_epi16((__m256i)low, (__m256i)high, 0xaa);
#endif
}

}  // namespace model_t::MODEL_T_ISA
#endif

#endif
