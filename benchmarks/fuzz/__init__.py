"""A fuzzer of the commands: mutated copies of real files in every container, judged
by an independent counter.
"""
