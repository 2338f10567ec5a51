import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from spatialplan import bundles


def decode(text):
    """Return the lines of a bundle, as the page's script reads them."""
    numbers, value, shift = [], 0, 0
    for character in text:
        digit = bundles.DIGITS.index(character)
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(value)
            value = shift = 0
    lines, x, y, numbers = [], 0, 0, iter(numbers)
    for count in numbers:
        lines.append([])
        for _ in range(count):
            step = [next(numbers) for _ in range(2)]
            x, y = (old + ((n >> 1) ^ -(n & 1)) for old, n in zip((x, y), step, strict=True))
            lines[-1].append((x * bundles.QUANTUM, y * bundles.QUANTUM))
    return lines


def random_lines(count, seed=0, points=6):
    chance = np.random.default_rng(seed)
    starts = chance.uniform([102.0, 34.0], [104.0, 36.0], (count, 2))
    steps = chance.normal(0, 0.004, (count, points, 2))
    return shapely.linestrings(starts[:, None, :] + np.cumsum(steps, axis=1))


def links_of(lines, classes):
    ids = pd.Index([f"l{i}" for i in range(len(lines))], name="link_id")
    return gpd.GeoDataFrame({"class": classes, "length_km": 2.0}, ids, geometry=lines, crs=4326)


def test_lines_come_back_as_they_were_to_half_a_metre():
    lines = random_lines(300)
    owner = np.repeat([0, 1, 2], [100, 1, 199])
    found = [decode(text) for text in bundles.encode(lines, owner)]
    assert [len(part) for part in found] == [100, 1, 199]
    for line, points in zip(lines, [line for part in found for line in part], strict=True):
        assert points == pytest.approx(shapely.get_coordinates(line), abs=0.51 * bundles.QUANTUM)


def test_lines_west_and_south_of_zero_and_a_line_of_one_place_come_back():
    lines = np.array(
        [
            shapely.LineString([(-70.123456, -33.4), (-70.2, -33.5), (-70.2, -33.5)]),
            shapely.LineString([(0.000001, 0), (0.000002, 0)]),
        ]
    )
    (text,) = bundles.encode(lines, np.zeros(2, dtype=int))
    first, second = decode(text)
    assert first == pytest.approx(np.array([(-70.12346, -33.4), (-70.2, -33.5), (-70.2, -33.5)]))
    assert second == [(0, 0), (0, 0)]


def test_no_lines_are_no_text():
    assert bundles.encode(np.array([], dtype=object), np.array([], dtype=int)) == []


def test_text_needs_no_escape_in_html_or_json():
    text = "".join(bundles.encode(random_lines(50), np.zeros(50, dtype=int)))
    assert text.isascii()
    assert not set(text) & set("<>&\"'\\/{}")


def test_thinned_lines_stay_within_the_tolerance():
    lines = random_lines(100, points=40)
    for metres in bundles.TOLERANCES:
        thin = bundles.thinned(lines, metres)
        plain, flat = (gpd.GeoSeries(g, crs=4326).to_crs(4543) for g in (lines, thin))
        assert plain.hausdorff_distance(flat).max() < metres * 1.05
        assert shapely.get_num_coordinates(thin).sum() <= shapely.get_num_coordinates(lines).sum()


def test_what_fits_is_kept_whole_and_thinned_little():
    links = links_of(random_lines(200), "class3")
    found = bundles.fit(links, np.full(200, -1), 10**6)
    assert list(found.kept) == list(range(200))
    assert found.metres == bundles.TOLERANCES[0]


def size_of(fitted):
    """Return the characters of what is kept, in bundles by tile."""
    lines, owner, _ = bundles.grouped(fitted.lines, pd.DataFrame({"tile": fitted.tile}))
    return len("".join(bundles.encode(lines, owner)))


def test_the_lowest_classes_give_way_first_and_reached_ones_later():
    classes = np.repeat(["expressway", "class2", "access", "class4"], 1000)
    links = links_of(random_lines(4000, points=2), classes)
    band = np.where(np.arange(4000) % 2, 0, -1)
    whole = size_of(bundles.fit(links, band, 10**6))
    left = {}
    for share in (0.95, 0.8, 0.7, 0.3):
        found = bundles.fit(links, band, int(whole * share))
        gone = np.setdiff1d(np.arange(4000), found.kept)
        left[share] = set(zip(classes[gone], band[gone] >= 0, strict=True))
        assert size_of(found) < whole * share * 1.1
    assert left[0.95] == {("access", False)}
    assert left[0.8] == {("access", False), ("class4", False)}
    assert left[0.7] == {("access", False), ("class4", False), ("access", True)}
    assert not left[0.3] & {("class2", True), ("expressway", True)}


def test_equal_rows_make_one_bundle():
    lines = random_lines(60)
    keys = pd.DataFrame({"class": ["a", "b", "a"] * 20, "tile": [1, 1, 2] * 20})
    found, owner, rows = bundles.grouped(lines, keys)
    assert (np.diff(owner) >= 0).all()
    assert len(rows) == 3
    where = {line.wkb: tuple(row) for line, row in zip(lines, keys.to_numpy(), strict=True)}
    for line, number in zip(found, owner, strict=True):
        assert where[line.wkb] == tuple(rows.iloc[number])


def test_few_roads_are_shown_at_once_and_many_from_nearer():
    assert bundles.zooms(pd.Series(["class4"] * 100), 9.0) == {"class4": 0.0}
    many = pd.Series(["class1"] * 500 + ["class3"] * 20_000 + ["access"] * 70_000)
    found = bundles.zooms(many, 9.0)
    assert found["class1"] == 0.0
    assert 9.0 < found["class3"] < found["access"] <= 11.5


def test_links_reached_in_one_band_are_whole_and_others_are_cut_at_the_minute():
    line = shapely.LineString([(103.0, 35.0), (103.0, 35.1)])
    links = links_of(np.array([line] * 4), ["class1", "class2", "class3", "class4"])
    rows = [
        ("l0", 10.0, 20.0, 2.0),  # all of it within the first limit
        ("l1", 25.0, 35.0, 2.0),  # across the first limit
        ("l2", 50.0, 60.0, 1.0),  # half of it, then the minutes run out
    ]
    reached = gpd.GeoDataFrame(
        [(i, "class1", a, b, km) for i, a, b, km in rows],
        columns=["link_id", "class", "minutes_start", "minutes_end", "km"],
        geometry=[line, line, shapely.LineString([(103.0, 35.0), (103.0, 35.05)])],
        crs=4326,
    )
    band, pieces = bundles.bands(links, reached, [30.0, 60.0])
    assert list(band) == [0, -1, -1, -1]
    assert list(pieces["band"]) == [0, 1, 1]
    tops = [piece.bounds[1::2] for piece in pieces.geometry]
    assert tops == [
        pytest.approx(span, abs=1e-5) for span in ((35.0, 35.05), (35.05, 35.1), (35.0, 35.05))
    ]
