"""Three things that the textbook's last loop uses without making them: a robot, a camera, a person."""

from sayso.chapter.body import RobotCamera, RobotInterface
from sayso.chapter.terminal import TerminalInterface

robot = RobotInterface()
robot_camera = RobotCamera()
user_interface = TerminalInterface()
