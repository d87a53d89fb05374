/* Every kernel, by opcode: for firmware that takes any model. */
#include "support/kernel.h"

const thumbnet_kernel thumbnet_kernels[KERNEL_COUNT] = {
    [CONV_S8] = conv_s8,
    [POINTWISE_S8] = pointwise_s8,
    [DEPTHWISE_S8] = depthwise_s8,
    [FULLY_CONNECTED_S8] = fully_connected_s8,
    [AVG_POOL_S8] = avg_pool_s8,
    [MAX_POOL_S8] = max_pool_s8,
    [ADD_S8] = add_s8,
    [MUL_S8] = mul_s8,
    [LOOKUP_S8] = lookup_s8,
    [SOFTMAX_S8] = softmax_s8,
    [PAD_S8] = pad_s8,
    [MEAN_S8] = mean_s8,
    [COPY_S8] = copy_s8,
};

const thumbnet_decision thumbnet_exit_decision = exit_answers;
