"""Says how the operations were answered, and fails where a run proved nothing."""

import json
import sys
from collections import Counter

tally = {operation: Counter(answers) for operation, answers in json.load(open(sys.argv[1])).items()}
asked = int(sys.argv[2])
least = float(sys.argv[3])
statuses = sum(tally.values(), Counter())
succeeded = [operation for operation, answers in tally.items() if any(status < "300" for status in answers)]
limited = sorted(operation for operation, answers in tally.items() if set(answers) == {"429"})

print(f"{sum(statuses.values())} answers of {len(tally)} operations:", end=" ")
print(", ".join(f"{count} x {status}" for status, count in sorted(statuses.items())))
print(f"{len(succeeded)} operations did something (2xx); never:")
for operation in sorted(set(tally) - set(succeeded)):
    print(f"  {operation}: {', '.join(f'{count} x {status}' for status, count in sorted(tally[operation].items()))}")
wrong = []
if len(tally) < asked:
    wrong.append(f"{asked - len(tally)} operations were never asked")
if limited:
    wrong.append(f"limits hid everything of {', '.join(limited)}")
if len(succeeded) < least * len(tally):
    wrong.append(f"too few did something: at least {least:.0%} are expected")
for what in wrong:
    print(f"this run proves little: {what}")
sys.exit(bool(wrong))
