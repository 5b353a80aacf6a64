#define TANDEM_LEVEL avx2
#define TANDEM_TABLE kAvx2Kernels
#include "kernels/cpu/level.inc"
