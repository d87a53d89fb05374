import { Command } from "commander";
import { exitsTrainCommand } from "./exits-train.ts";
import { exitsTuneCommand } from "./exits-tune.ts";

export function exitsCommand(): Command {
  const command = new Command("exits").description(
    "Early exits: heads that answer when they are sure, so that most inputs need part of the network only.",
  );
  for (const create of [exitsTrainCommand, exitsTuneCommand]) command.addCommand(create());
  return command;
}
