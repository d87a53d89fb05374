import { Command } from "commander";
import { pruneDepthCommand, pruneReportCommand } from "./prune-depth.ts";
import { pruneMagnitudeCommand } from "./prune-magnitude.ts";

export function pruneCommand(): Command {
  const command = new Command("prune").description("Makes a network smaller, and reports what that costs.");
  for (const create of [pruneDepthCommand, pruneReportCommand, pruneMagnitudeCommand])
    command.addCommand(create());
  return command;
}
