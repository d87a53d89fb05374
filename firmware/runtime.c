#include "thumbnet.h"

#include "support/kernel.h"
#include "support/operand.h"
#include "support/records.h"

static const image_header *header_of(const thumbnet_model *model) {
  return (const image_header *)(const void *)model->image;
}

static const image_tensor *port_tensor(const thumbnet_model *model, uint32_t port) {
  const image_port *ports = (const image_port *)(const void *)(model->image + header_of(model)->ports_offset);
  return (const image_tensor *)(const void *)(model->image + ports[port].tensor);
}

/* Elements of a tensor: one byte each in the arena, whatever its type at the edge; 0 if it never exists whole. */
static uint32_t tensor_bytes(const image_tensor *tensor) {
  if (tensor->operand == OPERAND_NEVER_WHOLE) return 0;
  const uint32_t *shape = (const uint32_t *)(const void *)(tensor + 1);
  uint32_t bytes = 1;
  for (uint32_t d = 0; d < tensor->rank; d++) bytes *= shape[d];
  return bytes;
}

static const image_exit *exits_of(const thumbnet_model *model) {
  return (const image_exit *)(const void *)(model->image + header_of(model)->exits_offset);
}

static const uint8_t *record_at(const thumbnet_model *model, uint32_t index) {
  return model->image + header_of(model)->records_offset + index * RECORD_BYTES;
}

static int8_t *writable(const thumbnet_model *model, uint32_t operand) {
  return (int8_t *)model->arena + operand;
}

thumbnet_status thumbnet_init(thumbnet_model *model, const void *image, void *arena, uint32_t arena_bytes) {
  model->image = (const uint8_t *)image;
  model->arena = (uint8_t *)arena;
  model->thresholds = 0;
  const image_header *header = header_of(model);
  if (header->magic != IMAGE_MAGIC) return THUMBNET_NO_IMAGE;
  if (header->version != IMAGE_VERSION || header->record_bytes != RECORD_BYTES) return THUMBNET_OTHER_VERSION;
  const uint8_t *checked = model->image + IMAGE_CHECKED_FROM;
  if (thumbnet_crc32(0, checked, header->image_bytes - IMAGE_CHECKED_FROM) != header->crc32) return THUMBNET_DAMAGED;
  if (arena_bytes < header->arena_bytes + header->scratch_bytes || ((uintptr_t)arena & 3u) != 0) return THUMBNET_SMALL_ARENA;
  for (uint32_t i = 0; i < header->record_count; i++) {
    const uint8_t opcode = *record_at(model, i);
    if (opcode >= KERNEL_COUNT || thumbnet_kernels[opcode] == 0) return THUMBNET_NO_KERNEL;
  }
  return header->exit_count != 0 && thumbnet_exit_decision == 0 ? THUMBNET_NO_KERNEL : THUMBNET_OK;
}

int8_t *thumbnet_input(const thumbnet_model *model, uint32_t index) {
  return writable(model, port_tensor(model, index)->operand);
}

uint32_t thumbnet_input_bytes(const thumbnet_model *model, uint32_t index) {
  return tensor_bytes(port_tensor(model, index));
}

const int8_t *thumbnet_output(const thumbnet_model *model, uint32_t index) {
  const image_tensor *tensor = port_tensor(model, header_of(model)->input_count + index);
  return operand_address(tensor->operand, model->image, model->arena);
}

uint32_t thumbnet_output_bytes(const thumbnet_model *model, uint32_t index) {
  return tensor_bytes(port_tensor(model, header_of(model)->input_count + index));
}

uint32_t thumbnet_exit_count(const thumbnet_model *model) {
  return header_of(model)->exit_count;
}

static uint32_t answers(const thumbnet_model *model, uint32_t exit) {
  const void *own = model->image + header_of(model)->thresholds_offset;
  const uint16_t *thresholds = model->thresholds != 0 ? model->thresholds : (const uint16_t *)own;
  const image_exit *decided = &exits_of(model)[exit];
  const uint32_t classes = thumbnet_output_bytes(model, decided->output);
  const int8_t *scores = thumbnet_output(model, decided->output);
  return thumbnet_exit_decision(scores, classes, decided->criterion, thresholds + exit * classes);
}

uint32_t thumbnet_run(const thumbnet_model *model, thumbnet_observer observer, void *context) {
  const image_header *header = header_of(model);
  const image_operator *operators = (const image_operator *)(const void *)(model->image + header->operators_offset);
  uint8_t *scratch = model->arena + header->arena_bytes;
  const image_exit *exits = exits_of(model);
  uint32_t done = 0;
  uint32_t exit = 0;
  for (uint32_t i = 0; i < header->operator_count; i++) {
    for (; done < operators[i].record_end; done++) {
      const uint8_t *record = record_at(model, done);
      thumbnet_kernels[*record](record, model->image, model->arena, scratch);
    }
    uint32_t has_answered = 0;
    if (exit < header->exit_count && exits[exit].operator_end == i + 1u) {
      has_answered = answers(model, exit);
      if (!has_answered) exit++;
    }
    if (observer != 0) {
      const image_tensor *output = (const image_tensor *)(const void *)(model->image + operators[i].tensor);
      const uint32_t bytes = tensor_bytes(output);
      const uint32_t operand = bytes == 0 ? 0 : output->operand;
      observer(context, i, operand_address(operand, model->image, model->arena), bytes);
    }
    if (has_answered) return exits[exit].output;
  }
  return header->final_output;
}
