/* Written by scripts/build.mjs from src/plan/layout.ts. Do not edit. */
#ifndef THUMBNET_RECORDS_H
#define THUMBNET_RECORDS_H

#include <stdint.h>

#define IMAGE_MAGIC 0x54454e54u
#define IMAGE_VERSION 4
#define IMAGE_CHECKED_FROM 16u
#define RECORD_BYTES 68u
/* In place of a tensor's operand: it never exists whole. */
#define OPERAND_NEVER_WHOLE 0xffffffffu

#define CONV_S8 1
#define POINTWISE_S8 2
#define DEPTHWISE_S8 3
#define FULLY_CONNECTED_S8 4
#define AVG_POOL_S8 5
#define MAX_POOL_S8 6
#define ADD_S8 7
#define MUL_S8 8
#define LOOKUP_S8 9
#define SOFTMAX_S8 10
#define PAD_S8 11
#define MEAN_S8 12
#define COPY_S8 13
/* One more than the largest opcode. */
#define KERNEL_COUNT 14

#define REQUANTIZE_EXACT 0
#define REQUANTIZE_TWO_PART 1
#define EXIT_TOP 0
#define EXIT_MARGIN 1

typedef struct {
  uint32_t magic;
  uint16_t version;
  uint16_t record_bytes;
  uint32_t image_bytes;
  uint32_t crc32;
  uint32_t arena_bytes;
  uint32_t records_offset;
  uint16_t record_count;
  uint16_t operator_count;
  uint32_t scratch_bytes;
  uint32_t operators_offset;
  uint32_t ports_offset;
  uint16_t input_count;
  uint16_t output_count;
  uint32_t exits_offset;
  uint32_t thresholds_offset;
  uint16_t exit_count;
  uint16_t final_output;
} image_header;

typedef struct {
  uint16_t code;
  uint16_t record_end;
  uint32_t tensor;
} image_operator;

typedef struct {
  uint32_t tensor;
  uint32_t name;
} image_port;

typedef struct {
  uint16_t record_end;
  uint16_t operator_end;
  uint16_t output;
  uint8_t criterion;
  uint8_t reserved;
} image_exit;

/* `rank` dimensions follow as uint32_t. */
typedef struct {
  uint32_t operand;
  uint32_t expansion;
  float scale;
  int16_t zero_point;
  uint8_t dtype;
  uint8_t rank;
} image_tensor;

/* The data of its channels follow. */
typedef struct {
  uint8_t form;
  uint8_t product_shift;
  uint8_t output_shift;
  uint8_t per_channel;
  uint32_t channels;
} image_requantization;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t weights;
  uint32_t requantization;
  uint16_t batch;
  uint16_t input_height;
  uint16_t input_width;
  uint16_t input_channels;
  uint16_t output_height;
  uint16_t output_width;
  uint16_t output_channels;
  uint16_t kernel_height;
  uint16_t kernel_width;
  uint16_t stride_height;
  uint16_t stride_width;
  uint16_t dilation_height;
  uint16_t dilation_width;
  uint16_t pad_top;
  uint16_t pad_left;
  uint16_t groups;
  uint16_t unpack;
  uint8_t sparse;
  int8_t input_zero_point;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
} conv_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t weights;
  uint32_t requantization;
  uint32_t pixels;
  uint16_t input_channels;
  uint16_t output_channels;
  uint16_t unpack;
  uint8_t sparse;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
} pointwise_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t weights;
  uint32_t requantization;
  uint16_t batch;
  uint16_t input_height;
  uint16_t input_width;
  uint16_t input_channels;
  uint16_t output_height;
  uint16_t output_width;
  uint16_t output_channels;
  uint16_t kernel_height;
  uint16_t kernel_width;
  uint16_t stride_height;
  uint16_t stride_width;
  uint16_t dilation_height;
  uint16_t dilation_width;
  uint16_t pad_top;
  uint16_t pad_left;
  uint16_t depth_multiplier;
  int8_t input_zero_point;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
} depthwise_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t weights;
  uint32_t requantization;
  uint32_t batch;
  uint32_t input_channels;
  uint32_t output_channels;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
  int8_t weights_zero_point;
} fully_connected_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint16_t batch;
  uint16_t input_height;
  uint16_t input_width;
  uint16_t input_channels;
  uint16_t output_height;
  uint16_t output_width;
  uint16_t output_channels;
  uint16_t kernel_height;
  uint16_t kernel_width;
  uint16_t stride_height;
  uint16_t stride_width;
  uint16_t dilation_height;
  uint16_t dilation_width;
  uint16_t pad_top;
  uint16_t pad_left;
  int8_t activation_min;
  int8_t activation_max;
} avg_pool_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint16_t batch;
  uint16_t input_height;
  uint16_t input_width;
  uint16_t input_channels;
  uint16_t output_height;
  uint16_t output_width;
  uint16_t output_channels;
  uint16_t kernel_height;
  uint16_t kernel_width;
  uint16_t stride_height;
  uint16_t stride_width;
  uint16_t dilation_height;
  uint16_t dilation_width;
  uint16_t pad_top;
  uint16_t pad_left;
  int8_t activation_min;
  int8_t activation_max;
} max_pool_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t input2;
  uint32_t output;
  uint32_t dim0;
  uint32_t dim1;
  uint32_t dim2;
  uint32_t dim3;
  uint8_t broadcast1;
  uint8_t broadcast2;
  uint8_t subtract;
  uint8_t sum_shift;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t output_multiplier;
  int8_t shift1;
  int8_t shift2;
  int8_t output_shift;
  int8_t input_zero_point;
  int8_t input2_zero_point;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
  int32_t factor1;
  int32_t factor2;
  int32_t sum_offset;
} add_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t input2;
  uint32_t output;
  uint32_t dim0;
  uint32_t dim1;
  uint32_t dim2;
  uint32_t dim3;
  uint8_t broadcast1;
  uint8_t broadcast2;
  int32_t output_multiplier;
  int8_t output_shift;
  int8_t input_zero_point;
  int8_t input2_zero_point;
  int8_t output_zero_point;
  int8_t activation_min;
  int8_t activation_max;
} mul_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t table;
  uint32_t count;
} lookup_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t rows;
  uint32_t depth;
  int32_t multiplier;
  int32_t diff_min;
  uint8_t left_shift;
} softmax_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t dim0;
  uint32_t dim1;
  uint32_t dim2;
  uint32_t dim3;
  uint16_t before0;
  uint16_t before1;
  uint16_t before2;
  uint16_t before3;
  uint16_t after0;
  uint16_t after1;
  uint16_t after2;
  uint16_t after3;
  int8_t value;
} pad_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t dim0;
  uint32_t dim1;
  uint32_t dim2;
  uint32_t dim3;
  int32_t multiplier;
  uint32_t count;
  int8_t shift;
  uint8_t reduced;
  int8_t input_zero_point;
  int8_t output_zero_point;
} mean_s8_record;

typedef struct {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t operator;
  uint32_t input;
  uint32_t output;
  uint32_t rows;
  uint32_t row_bytes;
  uint32_t output_stride;
} copy_s8_record;

#endif
