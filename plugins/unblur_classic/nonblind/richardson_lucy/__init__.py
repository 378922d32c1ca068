"""Richardson-Lucy: the stage, its iteration and step sizes, stopping rules, the noise of counts."""

from unblur_classic.nonblind.richardson_lucy.stage import RichardsonLucy as RichardsonLucy
