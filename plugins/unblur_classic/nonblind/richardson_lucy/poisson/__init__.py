"""The noise of counted photons: params of Richardson-Lucy, the detector, significance."""
