import { Command } from "commander";
import { pruneDepthCommand } from "./prune-depth.ts";

export function pruneCommand(): Command {
  const command = new Command("prune").description("Makes a network smaller, and reports what that costs.");
  for (const create of [pruneDepthCommand]) command.addCommand(create());
  return command;
}
