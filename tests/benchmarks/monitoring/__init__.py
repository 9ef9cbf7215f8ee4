"""What the monitors find, and how often they cry wolf, on real data of which it is known whether it drifts.

Flights out of New York in 2013, and the employment data that NannyML ships (read from its wheel, never imported).
Whole days are permuted, so that days still have a weather of their own but no season is left; or rows, so that nothing
is. The production code judges: counts in frozen cells, comparisons, quality as a sequence.
"""
