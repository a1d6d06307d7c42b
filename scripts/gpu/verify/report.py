"""The report of a verification: a JSON file with an entry for each stage, which is written anew after every stage."""
import datetime
import json
import os
import time
import traceback


class Report:
    def __init__(self, path, limit):
        self.path = path
        self.limit = limit
        self.began = time.monotonic()
        now = datetime.datetime.now(datetime.timezone.utc)
        self.content = {'date': now.isoformat(timespec='seconds'), 'stages': {}}

    def left(self):
        """Seconds until everything has to be done."""
        return self.limit - (time.monotonic() - self.began)

    def stage(self, name, body):
        """Runs one stage, whatever became of the others; returns whether it passed."""
        began = time.monotonic()
        entry = self.content['stages'][name] = {}
        if self.left() < 5:
            entry.update(ok=False, error='no time was left')
        else:
            try:
                entry.update(body() or {})
                entry.setdefault('ok', True)
            except Exception as error:
                entry.update(ok=False, error=f'{type(error).__name__}: {error}', where=traceback.format_exc(limit=-1))
        entry['seconds'] = round(time.monotonic() - began, 1)
        said = 'ok' if entry['ok'] else 'FAILED: ' + str(entry.get('error') or entry.get('failed'))[:600]
        print(name, said, f"({entry['seconds']} s)", flush=True)
        self.save()
        return entry['ok']

    def finish(self):
        """Returns whether all stages passed."""
        self.content['ok'] = all(entry['ok'] for entry in self.content['stages'].values())
        self.content['seconds'] = round(time.monotonic() - self.began, 1)
        self.save()
        return self.content['ok']

    def save(self):
        with open(self.path + '.part', 'w') as file:
            json.dump(self.content, file, indent=1)
        os.replace(self.path + '.part', self.path)
