"""One module a step of the study. Each function takes (study folder, plan, subject, send) and publishes its outputs.

``send`` carries progress to whoever runs the study: ``("progress", done, total, words)``. A function that finds there is
nothing to make returns a sentence saying why; otherwise None. What gathers the results of others gets a
:class:`~soilscope.study.steps.gathered.Gathered` as its subject.
"""
