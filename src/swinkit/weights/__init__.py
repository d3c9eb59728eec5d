"""Weights: where they come from, whose they are, and how they become ours."""

from swinkit.weights.catalogue import CATALOGUE, Preprocessing, PublishedWeights
from swinkit.weights.convert import convert
from swinkit.weights.download import cache_folder, fetch
from swinkit.weights.formats import Recognised, recognise
from swinkit.weights.load import LoadReport, load_weights
from swinkit.weights.read import WeightsFile, read_weights_file
from swinkit.weights.save import save_weights
from swinkit.weights.source import resolve

__all__ = [
    "CATALOGUE",
    "LoadReport",
    "Preprocessing",
    "PublishedWeights",
    "Recognised",
    "WeightsFile",
    "cache_folder",
    "convert",
    "fetch",
    "load_weights",
    "read_weights_file",
    "recognise",
    "resolve",
    "save_weights",
]
