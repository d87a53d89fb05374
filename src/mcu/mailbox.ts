/** How the emulator and the firmware that it runs talk: the twin of `firmware/targets/rp2040/emulated.c`. */

/** `STOP_...` of firmware/targets/rp2040/emulated.c. */
export const STOP_START = 0;
export const STOP_READY = 1;
export const STOP_OPERATOR = 2;

/** `emulated_mailbox` there. */
export const MAILBOX = {
  image: 0,
  arena: 4,
  arenaBytes: 8,
  stopAfterOperators: 12,
  status: 16,
  index: 20,
  answered: 32,
} as const;

/** By `thumbnet_status`. */
export const STATUS = [
  "",
  "it is no image",
  'it is an image of another version than the firmware: run "npm run firmware"',
  "it is damaged",
  "its arena is too small",
  'it uses a kernel that the firmware does not have: run "npm run firmware"',
];
