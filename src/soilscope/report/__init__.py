"""The report: a document of plain values, the page it becomes, and the words for what a study does not show.

::

    core_result(volume, labels, scheme, slices)  ->  CoreResult      pictures of one core, while it is in memory
    found_picture(scan, core)                    ->  Picture         where the core was found in its scan
    explanation_result(model, card, ...)         ->  ExplanationResult
    StudyResults(...)                            what a study hands over: tables, cards, the two above
    document(results)                            ->  Document        all words and numbers, no HTML
    render(document)                             ->  str             one self-contained page
"""

from soilscope.report.assemble import document
from soilscope.report.cores import Profiles, core_result, explanation_result, found_picture
from soilscope.report.document import Document, Picture
from soilscope.report.page import render
from soilscope.report.results import CoreResult, ExplanationResult, StudyResults

__all__ = [
    "CoreResult",
    "Document",
    "ExplanationResult",
    "Picture",
    "Profiles",
    "StudyResults",
    "core_result",
    "document",
    "explanation_result",
    "found_picture",
    "render",
]
