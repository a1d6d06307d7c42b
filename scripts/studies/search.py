"""Optuna's TPE with its defaults, asked and told over standard input and output; scripts/studies/search.mjs starts it.

Each line in is JSON: {"space": ..., "seed": ...} begins a study, {} asks, {"number": ..., "loss": ...} tells.
"""

import json
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggest(trial, space):
    values = {}
    for name, given in space.items():
        if not all(values.get(parent) in wanted for parent, wanted in given["when"].items()):
            continue
        if given["type"] == "choice":
            values[name] = trial.suggest_categorical(name, given["choices"])
        elif given["int"]:
            values[name] = trial.suggest_int(name, given["low"], given["high"], log=given["log"])
        else:
            values[name] = trial.suggest_float(name, given["low"], given["high"], log=given["log"])
    return values


study, space, trials = None, None, {}
print(json.dumps({"version": optuna.__version__}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "space" in message:
        space, trials = message["space"], {}
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=message["seed"]))
        answer = {}
    elif "loss" in message:
        study.tell(trials[message["number"]], message["loss"])
        answer = {}
    else:
        trial = study.ask()
        trials[trial.number] = trial
        answer = {"number": trial.number, "values": suggest(trial, space)}
    print(json.dumps(answer), flush=True)
