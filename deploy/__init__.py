"""What operators install besides the wheel: the image and the unit."""
