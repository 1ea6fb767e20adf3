"""When a training run ends: after so many minutes, or at a time of the day."""

import datetime


def minutes_until(deadline):
    """90 is minutes from now, 14:05 the next time the clock shows that."""
    if ":" not in deadline:
        return float(deadline)
    now = datetime.datetime.now()
    hour, minute = map(int, deadline.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if end <= now:
        end += datetime.timedelta(days=1)
    return (end - now).total_seconds() / 60
