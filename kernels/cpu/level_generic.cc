#define TANDEM_LEVEL generic
#define TANDEM_TABLE kGenericKernels
#include "kernels/cpu/level.inc"
