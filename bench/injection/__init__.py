"""Crises put into real volumes: what the engine finds at a budget, how soon, and how often it pages for nothing.

usage: python -m bench.injection [--full] [--volumes FOLDER | --simulated SEED] [--seeds N[-M]] [--no-words]
    [--by-volume] [--budgets 0.5,1,2,4]

Volumes are NAB's realTweets (../shared/data/nab; real mentions per five minutes of 55 days) or simulated ones where
these are absent. Each gets a synthetic tone (bench/synthetic_tone.py) and words (bench/synthetic_words.py: a crisis has
a subject, and so have bursts and some hours of calm days; with --no-words all say the same); the shapes are
bench/crisis_shapes.py. The real engine (detectors.Engine) runs over the whole series; at each onset its state is
copied, and every shape is tried from there, so all shapes meet the same hours.

found: a page from the onset until one hour after the crisis is over. Everything else is a miss, however soon a page
comes later, and whatever ticket was opened. A delay is from the onset; misses count as 24 h. Trials begin after the
first 14 days, at times of day that are as likely as people then talk, never near an event that NAB labelled; where a
page was open already, there is no trial. Pages of the series as they are, outside of labelled events, are false: the
tone is synthetic, so no burst of volume is a crisis.

One seed is some 55 trials a shape, so what it finds is known to ten points either way; --seeds 9-20 puts twelve into
one table, a minute or two each.
"""
