"""What Soilscope promises in figures, measured again: ``python -m benchmarks [NAME ...] --json``.

Each benchmark is a module of its own with one function ``run(say)``; ``benchmarks.outcome`` says what it returns.
"""
