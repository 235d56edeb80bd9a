# Process 1 of a sandbox: writes the program's files, runs its steps one by one, leaves nothing alive between them.
#
# Perl, because it starts in 1.5 ms and tells an exit code from a signal, which a shell cannot. It takes orders on
# stdin (each a few texts, each text after its length as four bytes) and answers on the descriptor named first in
# @ARGV: "ready" once, then one wait status a step. As process 1 it cannot be killed from inside, and everything a
# step leaves behind becomes its child.
use strict;
use warnings;

my ($answers_fd, $prctl, $prlimit, $memfd_create) = @ARGV;

# Not dumpable: no step can open the descriptors of this process through /proc/1/fd and answer in its name.
syscall($prctl + 0, 4, 0, 0, 0, 0) == 0 or die "prctl: $!\n";
open(my $answers, '>&=', $answers_fd) or die "answers: $!\n";
fcntl($answers, 2, 1) or die "close-on-exec: $!\n";

binmode STDIN;

sub text {
    my ($length, $text) = ('', '');
    read(STDIN, $length, 4) == 4 or exit 0;
    my $wanted = unpack('N', $length);
    read(STDIN, $text, $wanted) == $wanted or exit 0;
    return $text;
}

sub write_file {
    my ($path, $content) = @_;
    my $folder = '';
    for my $part (split m{/}, $path =~ s{[^/]*$}{}r) { $folder .= "$part/"; mkdir $folder }
    open(my $file, '>:raw', $path) or die "$path: $!\n";
    (print {$file} $content and close $file) or die "$path: $!\n";
}

# The step's stdin: a file without a name, so that no program waits for a writer, nor does it count in the folder.
sub input {
    my ($content) = @_;
    my $memory = syscall($memfd_create + 0, my $name = 'stdin', 1);
    $memory >= 0 or die "memfd_create: $!\n";
    open(my $file, '+<&=', $memory) or die "stdin: $!\n";
    binmode $file;
    (print {$file} $content and seek $file, 0, 0) or die "stdin: $!\n";
    return $file;
}

sub start {
    my ($input, $limits, $environment, @command) = @_;
    open(STDIN, '+<&', $input) or die "stdin: $!\n";
    for my $limit (split /;/, $limits) {
        my ($resource, $soft, $hard) = split / /, $limit;
        syscall($prlimit + 0, 0, $resource + 0, pack('QQ', $soft, $hard), 0) == 0 or die "limit $limit: $!\n";
    }
    %ENV = map { split /=/, $_, 2 } split /\0/, $environment;
    no warnings 'exec';
    exec {$command[0]} @command or print STDERR "$command[0]: $!\n";
    exit 127;    # the shell's code for a command that cannot be started
}

sub step {
    my ($input, $limits, $environment) = (input(text()), text(), text());
    my @command = map { text() } 1 .. text();
    my $child = fork;
    defined $child or die "fork: $!\n";
    start($input, $limits, $environment, @command) if $child == 0;
    1 while waitpid(-1, 0) != $child;
    my $status = $?;
    do { kill 'KILL', -1 } while waitpid(-1, 0) > 0;
    syswrite($answers, "$status\n");
}

chdir $ENV{HOME} or die "$ENV{HOME}: $!\n";
syswrite($answers, "ready\n");
while (1) {
    my $order = text();
    if ($order eq 'file') { my $path = text(); write_file($path, text()) }
    else { step() }
}
