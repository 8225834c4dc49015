"""People's blind votes on pairs of answers, on a local page."""

from handpicked.votes.case import Case
from handpicked.votes.sample import sample
from handpicked.votes.server import InspectServer
from handpicked.votes.session import Session
from handpicked.votes.votes import TAGS, Standing, Vote, VoteFile

__all__ = ["TAGS", "Case", "InspectServer", "Session", "Standing", "Vote", "VoteFile", "sample"]
