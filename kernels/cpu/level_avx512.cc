#define TANDEM_LEVEL avx512
#define TANDEM_TABLE kAvx512Kernels
#include "kernels/cpu/level.inc"
