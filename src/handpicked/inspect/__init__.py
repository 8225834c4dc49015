"""People's blind votes on pairs of answers, on a page of this machine."""

from handpicked.inspect.case import Case
from handpicked.inspect.sample import sample
from handpicked.inspect.server import InspectServer
from handpicked.inspect.session import Session
from handpicked.inspect.votes import TAGS, Standing, Vote, VoteFile

__all__ = ["TAGS", "Case", "InspectServer", "Session", "Standing", "Vote", "VoteFile", "sample"]
