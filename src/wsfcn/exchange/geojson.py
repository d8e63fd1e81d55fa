"""``geojson``: one file of polygons with holes on a map, for pictures that know where they lie.

A feature is an object; its properties are ``class``, ``picture`` and, if there is one, ``score``.
Coordinates are those of the pictures' own reference system, which stands in the member ``crs``
that GDAL and QGIS read, unless it is WGS 84, the system of RFC 7946. Back from a map, a feature
that names its picture is drawn there, any other one (drawn by hand) wherever pictures lie.

Format: RFC 7946; ``crs`` from its predecessor, GeoJSON 2008.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float

from wsfcn.errors import DataError, PictureError
from wsfcn.exchange.geo import Georeference, georeference
from wsfcn.exchange.jsonstream import ListWriter
from wsfcn.exchange.labelled import (
    Collection,
    Given,
    Labelled,
    Place,
    Wanted,
    index_of,
    mean_scores,
)
from wsfcn.exchange.outlines import Outline, filled
from wsfcn.exchange.shapes import shapes_of
from wsfcn.files import read_text

WGS84 = 4326


def fits(source: Path) -> bool:
    """A file that ends in .geojson, or a JSON file that begins with a collection of features."""
    if source.is_dir() or source.suffix.lower() not in (".geojson", ".json"):
        return False
    with source.open("rb") as file:
        return b'"FeatureCollection"' in file.read(4096)


class Feature(NamedTuple):
    """One object on the map."""

    label: str
    picture: str | None
    score: float | None
    polygons: list[Outline]
    """Their coordinates are those of the map."""
    where: str


def read(source: Path, wanted: Wanted) -> Collection:
    """A file of features, and the pictures that they lie on. Raises DataError."""
    if wanted.pictures is None:
        raise PictureError(
            f"{source}: maps do not tell pixels; name the pictures, with their world files or "
            "GeoTIFF tags, with --pictures DIR"
        )
    try:
        content = json.loads(read_text(source))
        features = [
            feature_of(item, f"{source}, feature {number}")
            for number, item in enumerate(content["features"], start=1)
        ]
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{source}: not JSON ({error})") from None
    except (KeyError, TypeError):
        raise DataError(f"{source}: has no 'features'; expected a FeatureCollection") from None
    classes = wanted.classes_of(sorted({feature.label for feature in features}), source)
    collection = Collection(classes, iter(()))
    return Collection(
        classes,
        read_pictures(features, epsg_of(content.get("crs")), collection, source, wanted),
        collection.notes,
    )


def feature_of(item: Any, where: str) -> Feature:
    """A feature whose geometry is one polygon or several. Raises DataError."""
    try:
        properties, geometry = item.get("properties") or {}, item["geometry"]
        label, kind, places = properties["class"], geometry["type"], geometry["coordinates"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: has no {error}; expected a class and a geometry") from None
    if kind not in ("Polygon", "MultiPolygon"):
        raise DataError(f"{where}: is a {kind}; expected a Polygon or MultiPolygon")
    try:
        rings = [
            [np.array(ring, float)[:, :2] for ring in polygon]
            for polygon in ([places] if kind == "Polygon" else places)
        ]
        polygons = [Outline(polygon[0], polygon[1:]) for polygon in rings]
        score = None if properties.get("score") is None else float(properties["score"])
    except (ValueError, IndexError, TypeError) as error:
        raise DataError(f"{where}: its coordinates cannot be read ({error})") from None
    picture = properties.get("picture")
    return Feature(str(label), None if picture is None else str(picture), score, polygons, where)


def epsg_of(crs: Any) -> int:
    """The EPSG code of the member ``crs``; without one it is WGS 84.

    >>> epsg_of({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}})
    32633
    """
    try:
        code = str(crs["properties"]["name"]).rpartition(":")[2]
    except (KeyError, TypeError):
        return WGS84
    return WGS84 if code == "CRS84" else int(code) if code.isdigit() else 0


def read_pictures(
    features: list[Feature], epsg: int, collection: Collection, source: Path, wanted: Wanted
) -> Iterator[Labelled]:
    """Draw the features on each picture that lies below any. Raises DataError."""
    assert wanted.pictures is not None
    named: dict[Path, list[Feature]] = {}
    for feature in features:
        if feature.picture is not None:
            path = wanted.pictures.find(feature.picture, feature.where)
            named.setdefault(path, []).append(feature)
    loose = [feature for feature in features if feature.picture is None]
    for path in wanted.pictures.paths():
        place = wanted.place(path.relative_to(wanted.pictures.folder).as_posix(), None, source)
        where = georeference(path)
        if where.epsg not in (None, epsg):
            raise DataError(f"{source}: is of EPSG:{epsg}, but {path} of EPSG:{where.epsg}")
        labels = wanted.blank(place.size)
        scores = []
        for feature in (*named.get(path, []), *loose):
            region = region_of(feature, where, place)
            k = index_of(feature.label, collection.classes)
            labels[region] = k
            if feature.score is not None and region.any():
                scores.append((k, feature.score, float(region.sum())))
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=path,
            scores=mean_scores(scores),
        )


def region_of(feature: Feature, where: Georeference, place: Place) -> Bool[np.ndarray, "h w"]:
    """The pixels of a picture below a feature."""
    width, height = place.size
    region = np.zeros((height, width), bool)
    for outer, holes in feature.polygons:
        try:
            polygon = shapely.Polygon(
                where.to_pixels(outer), [where.to_pixels(hole) for hole in holes]
            )
            # An object may lie on many pictures, and reach far beyond each.
            inside = shapely.clip_by_rect(shapely.make_valid(polygon), 0, 0, width, height)
        except (shapely.GEOSException, ValueError) as error:
            raise DataError(f"{feature.where}: no polygon ({error})") from None
        for part in shapely.get_parts(inside):
            if isinstance(part, shapely.Polygon):
                rings = [np.asarray(ring.coords) for ring in (part.exterior, *part.interiors)]
                within = filled(rings[:1], height, width)
                for hole in rings[1:]:
                    within &= ~filled([hole], height, width)
                region |= within
    return region


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write all objects of all pictures. Raises PictureError for one that lies nowhere."""
    epsg: int | None = None
    with out.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection",\n"features": ')
        features = ListWriter(file)
        count = 0
        for count, picture in enumerate(collection.pictures, start=1):
            if picture.picture is None:
                raise PictureError(
                    f"{picture.name}: geojson needs the picture; name their folder with "
                    "--pictures DIR"
                )
            where = georeference(picture.picture)
            if count > 1 and where.epsg != epsg:
                raise PictureError(
                    f"{picture.picture}: is of EPSG:{where.epsg}, the pictures before of "
                    f"EPSG:{epsg}; a file holds one reference system"
                )
            epsg = where.epsg
            for shape in shapes_of(picture, collection, given, holes=True):
                properties: dict[str, Any] = {
                    "class": collection.classes.names[shape.label],
                    "picture": picture.file,
                }
                if shape.label in picture.scores:
                    properties["score"] = picture.scores[shape.label]
                features.add(
                    {
                        "type": "Feature",
                        "properties": properties,
                        "geometry": geometry(shape.outlines, where),
                    }
                )
        features.close()
        if epsg is None:
            collection.notes["pictures whose reference system is not known"] += count
        elif epsg != WGS84:
            crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
            file.write(f',\n"crs": {json.dumps(crs)}')
        file.write("}\n")


def geometry(outlines: list[Outline], where: Georeference) -> dict[str, Any]:
    """A MultiPolygon of outlines, rings closed and turned as RFC 7946 has them."""
    polygons = [
        [closed(where.to_map(ring), hole=n > 0) for n, ring in enumerate((outer, *holes))]
        for outer, holes in outlines
    ]
    return {"type": "MultiPolygon", "coordinates": polygons}


def closed(ring: Float[np.ndarray, "n 2"], *, hole: bool) -> list[list[float]]:
    """A ring whose last point is its first: anticlockwise, or clockwise for a hole.

    >>> closed(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), hole=False)
    [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    x, y = ring.T
    anticlockwise = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0
    if anticlockwise == hole:
        ring = np.concatenate([ring[:1], ring[:0:-1]])
    return [*ring.tolist(), ring[0].tolist()]
